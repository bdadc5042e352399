"""The table of ARI operations: each is declared next to its function, and found here by method and path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench.asterisk.ari.request import Decoder, Parameters, Refusal, Reply, Request
from bench.asterisk.release import Release

Function = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Operation:
    decoder: Decoder
    function: Function
    since: str = ""


@dataclass(slots=True)
class Node:
    """One segment of a path: what may follow, and what can be done here."""

    children: dict[str, Node] = field(default_factory=dict)
    wildcard: tuple[str, Node] | None = None
    operations: dict[str, Operation] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)

    def child(self, segment: str) -> Node:
        if segment.startswith("{"):
            if self.wildcard is None:
                self.wildcard = (segment.strip("{}"), Node())
            return self.wildcard[1]
        return self.children.setdefault(segment, Node())


ROOT = Node()


def node_at(path: str) -> Node:
    node = ROOT
    for segment in path.strip("/").split("/"):
        node = node.child(segment)
    return node


def operation(
    method: str,
    path: str,
    parameters: Parameters | None = None,
    variables: bool = False,
    free_body: bool = False,
    since: str = "",
) -> Callable[[Function], Function]:
    """Declares what a function does in ARI. `variables`: the JSON body may hold them; `since`: a feature of
    `release.SINCE` without which there is no such operation."""

    def declare(function: Function) -> Function:
        decoder = Decoder(f"{method} {path}", parameters or {}, variables, free_body)
        node_at(path).operations[method] = Operation(decoder, function, since)
        return function

    return declare


def find(method: str, segments: list[str], release: Release) -> tuple[Operation, dict[str, str]]:
    """The operation and the variables of its path; raises the Refusal that Asterisk would answer.

    An explicit segment wins over a variable one, even where it leads to a method that is not there.
    """
    node = ROOT
    variables: dict[str, str] = {}
    for segment in segments:
        explicit = node.children.get(segment)
        if explicit is not None:
            node = explicit
        elif node.wildcard is not None:
            name, node = node.wildcard
            variables[name] = segment
        else:
            raise Refusal(404, "Resource not found")
    there = {name: known for name, known in node.operations.items() if not known.since or release.has(known.since)}
    if not there and node.operations:
        raise Refusal(404, "Resource not found")
    found = there.get(method)
    if found is None:
        if method in node.left_out:
            raise Refusal(501, f"stand-in: {method} /{'/'.join(segments)} is not simulated")
        raise WrongMethod(sorted(there))
    return found, variables


class WrongMethod(Refusal):
    def __init__(self, allowed: list[str]) -> None:
        super().__init__(405, "Invalid method")
        self.allow = ",".join(["OPTIONS", *allowed])


# What Asterisk 22 has and the stand-in has not: answered 501, so that nobody takes it for a wrong URL.
LEFT_OUT = """
POST /channels/create
POST /channels/{channelId}/dial
POST /channels/{channelId}/transfer_progress
GET /channels/{channelId}/rtp_statistics
POST /bridges/{bridgeId}/videoSource/{channelId}
DELETE /bridges/{bridgeId}/videoSource
POST /asterisk/modules/{moduleName}
DELETE /asterisk/modules/{moduleName}
PUT /asterisk/modules/{moduleName}
GET /asterisk/logging
POST /events/claim
PUT /endpoints/sendMessage
POST /endpoints/refer
GET /sounds
GET /mailboxes
"""
for _line in LEFT_OUT.split("\n"):
    if _line:
        _method, _path = _line.split()
        node_at(_path).left_out.add(_method)
