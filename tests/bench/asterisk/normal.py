"""What differs from run to run, replaced by what does not: ids, names with counters, times, ports, statistics.

A value is replaced by a name that says which one it is, by its first appearance ("<channel 2>"), so that two sides
agree only if the same thing is meant in the same place.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

EPOCH = re.compile(r"^\d{10}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+\d{4}$")
COUNTED = (
    ("channel", re.compile(r"\b\d{10}\.\d+\b")),
    ("uuid", re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")),
    ("attendant", re.compile(r"(?:(?<=/ARI-)|(?<=/ARI_MOH-))[0-9a-f]{8}")),
    ("snoop", re.compile(r"(?<=>-)[0-9a-f]{8}")),
    ("local", re.compile(r"(?:(?<=@inbound-)|(?<=@people-))[0-9a-f]{8}")),
    ("phone", re.compile(r"(?:(?<=PJSIP/caller-)|(?<=PJSIP/human-))[0-9a-f]{8}")),
    ("pointer", re.compile(r"\b0x[0-9a-f]{10,16}\b")),
    ("call", re.compile(r"^[0-9a-f]{16}$")),
)
# Lists that Asterisk fills from hash tables: their order means nothing.
UNORDERED = frozenset({"channel_ids", "bridge_ids"})


class Normal:
    """One side of a comparison. `replace`: texts of this side that stand for a fixed name, such as a port."""

    def __init__(self, replace: dict[str, str]) -> None:
        self._replace = replace
        self._names: dict[tuple[str, str], str] = {}

    def value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            if str(value.get("variable", "")).startswith("RTPAUDIOQOS"):
                value = {**value, "value": re.sub(r"\d+", "0", value["value"])}
            return {name: self.value(item, name) for name, item in value.items()}
        if isinstance(value, list):
            items = [self.value(item) for item in value]
            return sorted(items) if key in UNORDERED else items
        if key in ("duration", "description"):
            return f"<{key}>"
        return self._text(value, key) if isinstance(value, str) else value

    def _text(self, text: str, key: str) -> str:
        if key in ("timestamp", "creationtime"):
            assert TIME.match(text), text
            return "<time>"
        if key == "UNICASTRTP_LOCAL_PORT":
            return "<port>"
        if EPOCH.match(text):
            return "<epoch>"
        for given, name in self._replace.items():
            text = text.replace(given, name)
        for kind, pattern in COUNTED:
            text = pattern.sub(partial(self._name, kind), text)
        return text

    def _name(self, kind: str, found: re.Match[str]) -> str:
        counted = sum(known == kind for known, _ in self._names)
        return self._names.setdefault((kind, found[0]), f"<{kind} {counted}>")
