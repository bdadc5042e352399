"""From a YAML tree to a struct: every value is checked against its field's type, and every mistake is collected.

msgspec's own decoder stops at the first mistake and knows no lines; this one walks the types that msgspec describes.
"""

import difflib
import math
from collections.abc import Iterable
from typing import Final, TypeVar, cast

import msgspec
import yaml
from msgspec import inspect

from config.describe import describe, within
from config.problem import ConfigError, Key, Problem
from config.secret import Secret
from config.source import FILE, Source, substitute

T = TypeVar("T", bound=msgspec.Struct)

_INVALID: Final = object()
"""Stands for a value that was refused; the problem is already noted."""

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_NULL = "tag:yaml.org,2002:null"


class Decoder:
    """Decodes one file. `nodes` then tells where each value stands, and `problems` what was wrong."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.nodes: dict[Key, yaml.Node] = {}

    def decode(self, kind: type[T]) -> T:
        """The file as a `kind`. Raises `ConfigError` with all problems, those noted before included."""
        info = inspect.type_info(kind)
        value = self._value(self.source.root, info, ())
        if self.problems:
            raise ConfigError(self.problems)
        return cast(T, value)

    def note(self, key: Key, message: str, line: int = 0, column: int = 0) -> None:
        """Notes a problem at `key` or, where a default stands in for it, at what is nearest above."""
        at = key
        while at and at not in self.nodes:
            at = at[:-1]
        node = self.nodes.get(at, self.source.root)
        self.problems.append(self.source.problem(node, key, message, line, column))

    def text(self, key: Key) -> str:
        """What the file says at `key`, "" where it says nothing: also when the file as a whole was refused."""
        node = self.nodes.get(key)
        return substitute(node.value)[0] if isinstance(node, yaml.ScalarNode) else ""

    def _value(self, node: yaml.Node | None, info: inspect.Type, key: Key) -> object:
        if node is not None:
            self.nodes[key] = node
        match info:
            case inspect.StructType():
                return self._struct(node, info, key)
            case inspect.DictType():
                return self._dict(node, info, key)
            case inspect.VarTupleType():
                return self._tuple(node, info, key)
            case inspect.UnionType():
                return self._union(node, info, key)
            case _:
                return self._scalar(node, info, key)

    def _pairs(self, node: yaml.Node | None, info: inspect.Type, key: Key) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The mapping's keys, each with its own node and its value's. A section left empty is an empty mapping."""
        if node is None or _is_null(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, info, key)
            return {}
        pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode) or not _is_unicode(name_node.value):
                self.problems.append(self.source.problem(name_node, key, "a key must be a plain text."))
            elif name_node.value in pairs:
                first = pairs[name_node.value][0].start_mark.line + 1
                message = f"this key is already set on line {first}; remove one of the two."
                self.problems.append(self.source.problem(name_node, (*key, name_node.value), message))
            else:
                pairs[name_node.value] = (name_node, value_node)
        return pairs

    def _struct(self, node: yaml.Node | None, info: inspect.StructType, key: Key) -> object:
        before = len(self.problems)
        pairs = self._pairs(node, info, key)
        fields = {field.name: field for field in info.fields}
        for name, (name_node, _) in pairs.items():
            if name not in fields:
                message = f"there is no such key{nearest(name, fields)}"
                self.problems.append(self.source.problem(name_node, (*key, name), message))
        if len(self.problems) > before and not pairs:
            return _INVALID
        values: dict[str, object] = {}
        for name, field in fields.items():
            if name in pairs:
                values[name] = self._value(pairs[name][1], field.type, (*key, name))
            elif field.required:
                message = f"this key is missing; add `{name}`, which must be {describe(field.type)}."
                self.problems.append(self.source.problem(node, (*key, name), message))
        if len(self.problems) > before:
            return _INVALID
        return info.cls(**values)

    def _dict(self, node: yaml.Node | None, info: inspect.DictType, key: Key) -> object:
        values: dict[str, object] = {}
        for name, (name_node, value_node) in self._pairs(node, info, key).items():
            if not within(name, info.key_type):
                message = f"a key here must be {describe(info.key_type)}, but is {name!r}."
                self.problems.append(self.source.problem(name_node, (*key, name), message))
            values[name] = self._value(value_node, info.value_type, (*key, name))
        return values

    def _tuple(self, node: yaml.Node | None, info: inspect.VarTupleType, key: Key) -> object:
        if node is None or (not isinstance(node, yaml.SequenceNode) and not _is_null(node)):
            return self._refuse(node, info, key)
        items = node.value if isinstance(node, yaml.SequenceNode) else []
        if len(items) < (info.min_length or 0):
            return self._refuse(node, info, key)
        return tuple(self._value(item, info.item_type, (*key, at)) for at, item in enumerate(items))

    def _union(self, node: yaml.Node | None, info: inspect.UnionType, key: Key) -> object:
        """The kind of YAML value chooses: our unions have at most one list, one section and one scalar."""
        if node is None or _is_null(node):
            if any(isinstance(each, inspect.NoneType) for each in info.types):
                return None
            return self._refuse(node, info, key)
        for each in info.types:
            structured = isinstance(each, inspect.StructType | inspect.DictType)
            if isinstance(node, yaml.MappingNode) == structured and (
                isinstance(node, yaml.SequenceNode) == isinstance(each, inspect.VarTupleType)
            ):
                if isinstance(each, inspect.LiteralType):
                    return self._scalar(node, each, key, expected=info)
                if not isinstance(each, inspect.NoneType):
                    return self._value(node, each, key)
        return self._refuse(node, info, key)

    def _scalar(
        self, node: yaml.Node | None, info: inspect.Type, key: Key, expected: inspect.Type | None = None
    ) -> object:
        if node is None or not isinstance(node, yaml.ScalarNode):
            return self._refuse(node, expected or info, key)
        written = "" if _is_null(node) else node.value
        text, wrong = substitute(written)
        if wrong or not _is_unicode(text):
            self.problems.append(self.source.problem(node, key, wrong or "this holds half a Unicode character."))
            return _INVALID
        if isinstance(info, inspect.CustomType) and info.cls is Secret:
            return Secret(text)
        value = _convert(text, info)
        if value is _INVALID or not within(value, info):
            return self._refuse(node, expected or info, key, text, written)
        return value

    def _refuse(
        self, node: yaml.Node | None, info: inspect.Type, key: Key, text: str | None = None, written: str = ""
    ) -> object:
        if text is not None:
            found = repr(text) if text else "empty"
            found += f" (from `{written}`)" if written != text else ""
            if FILE in written:
                found, text = f"what `{written}` holds", None  # a secret, if in the wrong place
        else:
            found = _kind(node)
        suggestion = ""
        if text and isinstance(info, inspect.LiteralType):
            close = difflib.get_close_matches(text, [str(value) for value in info.values], n=1)
            suggestion = f"; did you mean `{close[0]}`?" if close else "."
        if isinstance(info, inspect.StrType) and isinstance(node, yaml.MappingNode | yaml.SequenceNode):
            suggestion = "; a text that begins with { or [ needs quotes."
        message = f"this must be {describe(info)}, but is {found}{suggestion or '.'}"
        self.problems.append(self.source.problem(node, key, message))
        return _INVALID


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that refuses `name`: the known name it resembles or, where none does, all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; known here: {', '.join(f'`{each}`' for each in names)}." if names else "; none is known here."


def _convert(text: str, info: inspect.Type) -> object:
    """The scalar's text as a value of the type, or `_INVALID`. Quotes do not matter: `"8090"` is a number too."""
    match info:
        case inspect.StrType():
            return text
        case inspect.LiteralType():
            return text if text in info.values else _INVALID
        case inspect.BoolType():
            word = text.lower()
            return True if word in _TRUE else False if word in _FALSE else _INVALID
        case inspect.IntType():
            try:
                return int(text)
            except ValueError:
                return _INVALID
        case inspect.FloatType():
            try:
                number = float(text)
            except ValueError:
                return _INVALID
            return number if math.isfinite(number) else _INVALID
        case _:
            raise TypeError(f"the schema uses a type that the loader does not know: {info}")


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _kind(node: yaml.Node | None) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a section (keys with values)"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "a single value" if isinstance(node, yaml.ScalarNode) and not _is_null(node) else "empty"
