"""One ARI request with its parameters decoded, strictly; the replies and refusals that operations give.

Asterisk takes parameters from the query, from a form or from the top level of a JSON body, and ignores what it does
not know. The stand-in takes them from the same places and refuses what it does not know.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from bench.asterisk.exchange import Exchange

BODY_LIMIT = 40_959
TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})
FALSE = frozenset({"no", "false", "n", "f", "0", "off"})
SYNONYMS = {"channelvars": "variables", "args": "appArgs", "app_args": "appArgs", "format": "formats"}
VARIABLES = "variables"


class Refusal(Exception):
    """An error reply. `key` is "message", or "error" for Asterisk's allocation failures."""

    def __init__(self, status: int, text: str, key: str = "message") -> None:
        super().__init__(text)
        self.status = status
        self.body = {key: text}


def allocation_failed() -> Refusal:
    return Refusal(500, "Allocation failed", key="error")


@dataclass(frozen=True, slots=True)
class Reply:
    """status 204 has no body; 201 says where the new thing is found, below /ari."""

    status: int = 204
    body: Any = None
    location: str = ""
    file: bytes | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """What came over HTTP: names and values of the query in order, the body and its content type."""

    query: list[tuple[str, str]]
    body: bytes
    content_type: str


Parameters = Mapping[str, type]


@dataclass(slots=True)
class Request:
    """path: the variables of the path; variables: from the body; reported: those with report_events."""

    exchange: Exchange
    path: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)
    body: Any = None

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        return default if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        value = self.values.get(name)
        return default if value is None else int(value)

    def flag(self, name: str) -> bool:
        return bool(self.values.get(name, False))

    def items(self, name: str) -> list[str]:
        value = self.values.get(name)
        return [] if value is None else list(value)


class Decoder:
    """Reads the parameters of one operation.

    operation:  "POST /channels", for messages
    parameters: name to type: str, int, bool, or list for comma-separated values
    variables:  whether the JSON body may hold `variables`
    free_body:  whether the JSON body means something of its own
    """

    def __init__(self, operation: str, parameters: Parameters, variables: bool, free_body: bool) -> None:
        self._operation = operation
        self._parameters = parameters
        self._variables = variables
        self._free_body = free_body

    def decode(self, request: Request, raw: Raw) -> None:
        for name, value in raw.query:
            if name != "api_key":
                self._take_text(request, name, value)
        if not raw.body:
            return
        if len(raw.body) > BODY_LIMIT:
            raise Refusal(413, "Request body too large")
        content_type = raw.content_type.partition(";")[0].strip().lower()
        if content_type == "application/x-www-form-urlencoded":
            for name, value in parse_qsl(raw.body.decode("utf-8", "replace"), keep_blank_values=True):
                self._take_text(request, name, value)
        elif content_type == "application/json":
            self._take_json(request, raw.body)
        else:
            raise self._error(f"has a body of content type {raw.content_type!r}; Asterisk would ignore it")

    def _take_json(self, request: Request, body: bytes) -> None:
        try:
            decoded = json.loads(body)
        except ValueError as error:
            raise Refusal(400, "Error parsing request body") from error
        request.body = decoded
        if self._free_body:
            return
        if not isinstance(decoded, dict):
            raise self._error("takes a JSON object as its body")
        for name, value in decoded.items():
            if name == VARIABLES and self._variables:
                take_variables(request, value)
            else:
                self._take_value(request, name, value)

    def _take_text(self, request: Request, name: str, value: str) -> None:
        kind = self._kind(name)
        if name in request.values:
            raise self._error(f"got parameter {name!r} twice")
        request.values[name] = self._from_text(name, kind, value)

    def _from_text(self, name: str, kind: type, value: str) -> Any:
        if kind is int:
            if not value.removeprefix("-").isdigit():
                raise self._error(f"needs an integer as {name!r}, not {value!r}")
            return int(value)
        if kind is bool:
            if value.lower() not in TRUE | FALSE:
                raise self._error(f"needs a boolean as {name!r}, not {value!r}")
            return value.lower() in TRUE
        return value.split(",") if kind is list else value

    def _take_value(self, request: Request, name: str, value: Any) -> None:
        kind = self._kind(name)
        if kind is list and isinstance(value, str):
            value = [value]
        right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if not right or (kind is list and not all(isinstance(item, str) for item in value)):
            raise self._error(f"needs {kind.__name__} as {name!r} in its body, not {json.dumps(value)}")
        request.values[name] = value

    def _kind(self, name: str) -> type:
        kind = self._parameters.get(name)
        if kind is None:
            raise self._error(f"has no parameter {name!r}{self._suggestion(name)}")
        return kind

    def _suggestion(self, name: str) -> str:
        known = [*self._parameters, *([VARIABLES] if self._variables else [])]
        if name == VARIABLES and self._variables:
            return "; it is read from a JSON body only"
        synonym = SYNONYMS.get(name.lower())
        close = [synonym] if synonym in known else difflib.get_close_matches(name, known, 1, 0.5)
        return f"; did you mean {close[0]!r}?" if close else ""

    def _error(self, what: str) -> Refusal:
        return Refusal(400, f"stand-in: {self._operation} {what}")


def take_variables(request: Request, value: Any) -> None:
    """`variables` of a JSON body, with Asterisk's own words where it has some."""
    if not isinstance(value, dict):
        raise Refusal(400, "stand-in: 'variables' must be a JSON object")
    for name, given in value.items():
        if isinstance(given, str):
            request.variables[name] = given
            continue
        if not isinstance(given, dict):
            raise Refusal(
                400, "Each value in 'variables' must be a string or an object with 'value' and optional 'report_events'"
            )
        if not isinstance(given.get("value"), str):
            raise Refusal(400, "Each object value in 'variables' must include string field 'value'")
        if not isinstance(given.get("report_events", False), bool):
            raise Refusal(400, "Field 'report_events' in 'variables' entries must be boolean")
        if set(given) - {"value", "report_events"}:
            raise Refusal(400, f"stand-in: {name!r} in 'variables' has unknown fields")
        request.variables[name] = given["value"]
        if given.get("report_events", False):
            request.reported.add(name)
