"""Writes values into a settings file that a person keeps: comments, order and layout stay, and nothing else changes.

    persist(path, {("audio", "cores"): [0, 1], ("actors", "stt", "nice"): 4})

The new text is written beside the file, read back as `config.load` reads it and compared with the old settings: it
takes the file's place only if it is right and differs in the wanted keys alone. At every moment the file is the old one
or the new one, whole. Where anything is in the way, `CannotPersist` says what, and the file is as it was.
"""

import contextlib
import dataclasses
import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from config.load import load
from config.problem import ConfigError, Key, dotted
from config.schema import Settings

Scalar = bool | int | float | str
Value = Scalar | Sequence[Scalar]

BOM = b"\xef\xbb\xbf"
"""With which some editors begin a file."""

NEVER_FOLD = 1 << 20
"""Columns after which a long text would be broken."""


class CannotPersist(Exception):
    """The file could not be changed, and is as it was. The text is for the operator, with the remedy."""


def persist(path: Path, changes: Mapping[tuple[str, ...], Value]) -> None:
    """Sets each key to its value. Keys and sections that the file lacks are added. Raises `CannotPersist`."""
    path = path.resolve()  # a link stays one
    try:
        raw = path.read_bytes()
        status = path.stat()
    except OSError as error:
        raise CannotPersist(f"{path} cannot be read: {error.strerror}") from error
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise CannotPersist(f"{path} is read-only: make it writable, or change {_names(changes)} where it is made")
    before = _settings(path, f"{path} has mistakes, which have to be put right first")
    # A section that is added takes other keys with it, where the defaults of the whole are not those of its parts.
    # These are then written down as well.
    drifted = _try(path, raw, status, before, changes)
    if drifted and _try(path, raw, status, before, {**drifted, **changes}):
        raise CannotPersist(
            f"{path} was not changed, for {_names(drifted)} would change too, perhaps because two sections share their"
            f" values (`&`, `*`): change {_names(changes)} by hand"
        )


def _try(
    path: Path, raw: bytes, status: os.stat_result, before: Settings, changes: Mapping[tuple[str, ...], Value]
) -> dict[tuple[str, ...], Any]:
    """Replaces the file, unless values of which nobody spoke would not be what they were: gives these as they were."""
    text = _edited(path, raw.decode("utf-8-sig"), changes).encode()
    if raw.startswith(BOM):
        text = BOM + text
    with _beside(path, text, status) as new:
        after = _settings(new, f"{path} was not changed, for it would be wrong", shown=path)
        if drifted := _drifted(before, after, changes):
            return drifted
        if path.read_bytes() != raw:
            raise CannotPersist(f"{path} was changed by somebody else at this moment: try again")
        try:
            new.replace(path)
        except OSError as error:
            raise CannotPersist(_why_not(path, error)) from error
    return {}


def _names(changes: Mapping[tuple[str, ...], Value]) -> str:
    return ", ".join(f"`{dotted(key)}`" for key in changes)


def _settings(path: Path, complaint: str, shown: Path | None = None) -> Settings:
    try:
        return load(path).settings
    except ConfigError as error:
        problems = (dataclasses.replace(each, file=shown or each.file) for each in error.problems)
        raise CannotPersist("\n".join([f"{complaint}:", *map(str, problems)])) from error


# -- the text


def _edited(path: Path, text: str, changes: Mapping[tuple[str, ...], Value]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = NEVER_FOLD
    yaml.explicit_start = re.search(r"^---\s", text, re.MULTILINE) is not None
    _take_indents(yaml, text)
    try:
        root = yaml.load(text)
        lead = ""
        if root is None:
            # Nothing but comments, which belong to nothing that could hold them.
            root, lead = CommentedMap(), text.rstrip("\n") + "\n"
        for key, value in changes.items():
            _set(path, root, key, value)
        out = StringIO()
        yaml.dump(root, out)
    except YAMLError as error:
        raise CannotPersist(f"{path} cannot be changed by a program: {error}") from error
    return (lead + out.getvalue()).replace("\n", newline)


def _take_indents(yaml: YAML, text: str) -> None:
    """The file's own habit, as its first nested key and its first list show it."""
    nested = re.search(r"^[^\s#-][^\n]*:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*( +)[^\s#-]", text, re.MULTILINE)
    listed = re.search(r"^( *)[^\s#-][^\n]*:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*( *)- ", text, re.MULTILINE)
    offset = max(0, len(listed[2]) - len(listed[1])) if listed else 0
    yaml.indent(mapping=len(nested[1]) if nested else 2, sequence=offset + 2, offset=offset)


def _set(path: Path, root: Any, key: Key, value: Value) -> None:
    section = root
    for depth, name in enumerate(key[:-1], 1):
        if section.get(name) is None:
            _add(section, name, CommentedMap(), depth == 1)
        section = section[name]
        if not isinstance(section, dict):
            raise CannotPersist(f"{path}: `{dotted(key[:depth])}` is no section")
    variables = [each for each in _texts(section.get(key[-1])) if "${" in each.replace("$${", "")]
    if variables:
        raise CannotPersist(
            f"{path}: `{dotted(key)}` comes from the environment, as `{variables[0]}`: set that variable where the"
            " service is started, or write a plain value here first"
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = CommentedSeq(value)
        value.fa.set_flow_style()
    _add(section, key[-1], value, len(key) == 1)


def _add(section: Any, name: str | int, value: object, at_the_end: bool) -> None:
    """A new key stands first in its section: behind the last one stand the comments about what follows."""
    if name in section or at_the_end:
        section[name] = value
    else:
        section.insert(0, name, value)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


# -- what came of it


def _drifted(before: Settings, after: Settings, changes: Mapping[tuple[str, ...], Value]) -> dict[tuple[str, ...], Any]:
    """What is not as it should be after the changes, and what it should be."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    should = {**old, **{key: _held(value) for key, value in changes.items()}}
    return {key: should.get(key) for key in should.keys() | new.keys() if new.get(key) != should.get(key)}


def _held(value: Value) -> object:
    return value if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)


def _leaves(value: object, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every value of the settings by its key."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _leaves(getattr(value, name), (*key, name))
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, (*key, name))
    else:
        yield key, value


# -- the file


@contextlib.contextmanager
def _beside(path: Path, text: bytes, status: os.stat_result) -> Iterator[Path]:
    """A file with this text in the same folder, safe on the disk, with the same owner and rights; gone afterwards."""
    try:
        # Not *.yaml: the folder may be the one from which agents are read.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    except OSError as error:
        raise CannotPersist(_why_not(path, error)) from error
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            os.fsync(descriptor)
        yield new
    except OSError as error:
        raise CannotPersist(_why_not(path, error)) from error
    finally:
        new.unlink(missing_ok=True)


def _why_not(path: Path, error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return f"{path} is mounted by itself, and cannot be replaced: mount its folder, or change it outside"
    remedy = "" if error.errno == errno.ENOSPC else ": change it as a user who may write files there"
    return f"{path} cannot be replaced in its folder ({error.strerror}){remedy}"
