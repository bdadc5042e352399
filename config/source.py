"""A YAML file as a tree whose every value knows its line and column. Nothing is converted here; see `config/decode.py`.

`${VAR}` in a value stands for the environment variable, `${VAR:-text}` for the variable or, where it is unset or empty,
for the text, and `${file:/run/secrets/ari}` for what that file holds, without the line's end: for secrets that are no
part of the environment. `$${` is a plain `${`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from config.problem import ConfigError, Key, Problem, dotted

FILE = "${file:"
LONGEST_SECRET = 4096
"""Bytes of a file that a value is taken from: a password or a key."""

_VARIABLE = re.compile(
    r"\$\$\{|\$\{(?:file:(?P<file>[^{}]*)\}|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^{}]*)?\})?"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its text, its tree, and the place of everything in it."""

    file: Path
    text: str
    root: yaml.Node | None
    """None when the file holds nothing but comments."""

    def problem(self, node: yaml.Node | None, key: Key, message: str, line: int = 0, column: int = 0) -> Problem:
        """A mistake at `node`; `line` and `column` count from 0 within the node's text."""
        if node is None:
            return Problem(self.file, 1, 1, dotted(key), message)
        mark = node.start_mark
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            at_line = mark.line + 1 + line
            lines = self.text.splitlines()
            indent = next((len(each) - len(each.lstrip()) for each in lines[mark.line + 1 :] if each.strip()), 0)
            return Problem(self.file, at_line + 1, indent + column + 1, dotted(key), message)
        return Problem(self.file, mark.line + 1, mark.column + column + 1, dotted(key), message)


def read(file: Path) -> Source:
    """Reads and parses `file`. Raises `ConfigError` when it is missing, not UTF-8 or not YAML."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([Problem(file, 1, 1, "", f"the file cannot be read: {reason}.")]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(file, line, 1, "", "the file is not UTF-8 text; save it as UTF-8.")]) from error
    return parse(file, text)


def parse(file: Path, text: str) -> Source:
    """The tree of `text`. Raises `ConfigError` with the place of the syntax error."""
    try:
        root = yaml.SafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(part for part in (error.context, error.problem) if part)
        hint = "; texts need quotes that hold `: `, begin with one of []{}>|*&!%#`@ or, within [ ], hold , or ?"
        raise ConfigError([Problem(file, line, column, "", f"this is not YAML: {what}{hint}.")]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError([Problem(file, line, 1, "", f"this is not YAML: {error.reason}.")]) from error
    except (ValueError, OverflowError, RecursionError) as error:
        # PyYAML lets these through: escapes beyond Unicode, version numbers of thousands of digits, absurd nesting.
        message = f"this is not YAML that can be read ({type(error).__name__})."
        raise ConfigError([Problem(file, 1, 1, "", message)]) from error
    return Source(file, text, root)


def substitute(text: str, environment: Mapping[str, str] | None = None) -> tuple[str, str]:
    """`text` with its variables and files replaced, and what is wrong with them as a sentence ("" for nothing)."""
    variables = os.environ if environment is None else environment
    wrong = ""

    def value(match: re.Match[str]) -> str:
        nonlocal wrong
        if match[0] == "$${":
            return "${"
        if match["file"] is not None:
            held, wrong_file = _held(match["file"])
            wrong = wrong or wrong_file
            return held
        name, default = match["name"], match["default"]
        if name is None:
            wrong = "`${` begins a variable, so write `${NAME}` or `${NAME:-default}`, or `$${` for a plain `${`."
            return ""
        if default is not None:
            return variables.get(name) or default.removeprefix(":-")
        if name not in variables:
            wrong = f"the environment variable `{name}` is not set; set it, or write `${{{name}:-default}}`."
        return variables.get(name, "")

    return _VARIABLE.sub(value, text), wrong


def _held(name: str) -> tuple[str, str]:
    """What the file holds, and what is wrong with it as a sentence that tells nothing of it."""
    file = Path(name)
    if not file.is_absolute():
        return "", f"`{name}` is not the whole path of a file; write it from `/` on."
    try:
        with file.open("rb") as opened:
            held = opened.read(LONGEST_SECRET + 1)
    except OSError as error:
        return "", f"the file {file} cannot be read ({error.strerror}); it must be there, and readable for this user."
    if len(held) > LONGEST_SECRET:
        return "", f"the file {file} holds more than {LONGEST_SECRET} bytes; a password or a key has fewer."
    try:
        return held.decode().rstrip("\r\n"), ""
    except UnicodeDecodeError:
        return "", f"the file {file} is not UTF-8 text."
