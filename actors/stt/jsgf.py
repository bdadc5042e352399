"""Reads JSGF, the grammar format of speech recognisers, into a tree.

JSpeech Grammar Format 1.0, https://www.w3.org/TR/jsgf/: everything but imports, and rules that contain themselves.

    #JSGF V1.0;
    grammar desk;
    public <request> = [please] (<hours> | /0.2/ goodbye {bye});
    <hours> = when are you open | what are your (opening)* hours;
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word, as the grammar writes it."""

    text: str
    line: int
    """Where it stands in the grammar, from 1."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; none of them, `<NULL>`, is silence."""

    parts: "tuple[Expansion, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them; none to choose from, `<VOID>`, can never be said."""

    options: "tuple[tuple[float, Expansion], ...]"
    """With their weights: the likeliest has 1.0, the others less."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """Any number of times, none included."""

    part: "Expansion"


@dataclass(frozen=True, slots=True)
class Reference:
    """Another rule, by its name without the angle brackets."""

    rule: str
    line: int


Expansion = Word | Sequence | Choice | Repetition | Reference


@dataclass(frozen=True, slots=True)
class Grammar:
    """All rules by name, every reference checked."""

    rules: Mapping[str, Expansion]
    public: tuple[str, ...]
    """The rules that may be said on their own, at least one."""

    def words(self) -> Iterator[Word]:
        """All words of all rules, as often as they stand there."""
        waiting = list(self.rules.values())
        while waiting:
            match waiting.pop():
                case Word() as word:
                    yield word
                case Sequence(parts):
                    waiting += reversed(parts)
                case Choice(options):
                    waiting += (option for _, option in reversed(options))
                case Repetition(part):
                    waiting.append(part)


class GrammarError(ValueError):
    """The text is not JSGF, or a part of JSGF that we do not read. The message begins with the line."""


_TOKEN = re.compile(
    r"""(?P<space> [\s\ufeff]+ | //[^\n]* | /\*.*?\*/ )
      | (?P<tag> \{ (?: [^\\}] | \\. )* \} )
      | (?P<weight> / \s* (?: \d+ \.? \d* | \.\d+ ) \s* / )
      | (?P<rule> < [^<>\s]+ > )
      | (?P<quoted> " (?: [^\\"] | \\. )* " )
      | (?P<mark> [=;|()\[\]*+] )
      | (?P<word> [^\s=;|()\[\]*+<>{}/"]+ )
      | (?P<wrong> . )""",
    re.VERBOSE | re.DOTALL,
)

_HEADER = re.compile(r"\ufeff?\s*#JSGF\s+V[\d.]+[^;\n]*;")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse(text: str) -> Grammar:
    """The grammar in a JSGF text. Raises GrammarError."""
    header = _HEADER.match(text)
    if header is None:
        raise GrammarError("line 1: a grammar begins with #JSGF V1.0;")
    return _Parser(_tokens(text, header.end())).grammar()


def _tokens(text: str, start: int) -> Iterator[_Token]:
    line = text.count("\n", 0, start) + 1
    for match in _TOKEN.finditer(text, start):
        kind = match.lastgroup or ""
        if kind == "wrong":
            raise GrammarError(f"line {line}: {match.group()!r} has no end, or no place here")
        if kind != "space":
            yield _Token(kind, match.group(), line)
        line += match.group().count("\n")
    yield _Token("end", "the end of the grammar", line)


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, tokens: Iterator[_Token]) -> None:
        self._tokens = tokens
        self._next = next(tokens)
        self._name = ""

    def grammar(self) -> Grammar:
        if self._next.text == "grammar":
            self._take()
            self._name = self._take("word").text
            self._take(";")
        rules: dict[str, Expansion] = {}
        public: list[str] = []
        while self._next.kind != "end":
            if self._next.text == "import":
                raise GrammarError(f"line {self._next.line}: import is not supported: copy the rules into the grammar")
            is_public = self._next.text == "public"
            if is_public:
                self._take()
            head = self._take("rule")
            name = self._local(head)
            if name in rules:
                raise GrammarError(f"line {head.line}: {head.text} is defined twice")
            self._take("=")
            rules[name] = self._choice()
            self._take(";")
            if is_public:
                public.append(name)
        if not public:
            raise GrammarError(f"line {self._next.line}: no rule is public: write public before the one to be heard")
        for name in rules:
            _check_references(rules, rules[name], (name,))
        return Grammar(rules, tuple(public))

    def _take(self, wanted: str = "") -> _Token:
        """The next token, which must be of this kind or this text."""
        token = self._next
        if wanted not in ("", token.kind, token.text):
            raise GrammarError(f"line {token.line}: expected {wanted!r}, found {token.text!r}")
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _local(self, rule: _Token) -> str:
        """`<desk.hours>` is `<hours>` in the grammar named desk."""
        return rule.text[1:-1].removeprefix(f"{self._name}.")

    def _choice(self) -> Expansion:
        options = [self._weighted()]
        while self._next.text == "|":
            self._take()
            options.append(self._weighted())
        if len(options) == 1:
            return options[0][1]
        likeliest = max(weight for weight, _ in options) or 1.0
        return Choice(tuple((weight / likeliest, option) for weight, option in options if weight > 0.0))

    def _weighted(self) -> tuple[float, Expansion]:
        weight = float(self._take().text.strip("/ \t\r\n")) if self._next.kind == "weight" else 1.0
        return weight, self._sequence()

    def _sequence(self) -> Expansion:
        parts: list[Expansion] = []
        while self._next.kind in ("word", "quoted", "rule") or self._next.text in ("(", "["):
            parts.append(self._repeated())
        if not parts:
            raise GrammarError(f"line {self._next.line}: expected words or rules, found {self._next.text!r}")
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self) -> Expansion:
        part = self._one()
        while self._next.text in ("*", "+") or self._next.kind == "tag":
            token = self._take()
            if token.text == "*":
                part = Repetition(part)
            elif token.text == "+":
                part = Sequence((part, Repetition(part)))
        return part

    def _one(self) -> Expansion:
        token = self._take()
        if token.text in ("(", "["):
            inner = self._choice()
            self._take(")" if token.text == "(" else "]")
            return inner if token.text == "(" else Choice(((1.0, inner), (1.0, Sequence(()))))
        if token.text == "<NULL>":
            return Sequence(())
        if token.text == "<VOID>":
            return Choice(())
        if token.kind == "rule":
            return Reference(self._local(token), token.line)
        if token.kind == "quoted":
            spoken = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            return Sequence(tuple(Word(word, token.line) for word in spoken.split()))
        return Word(token.text, token.line)


def _check_references(rules: Mapping[str, Expansion], part: Expansion, within: tuple[str, ...]) -> None:
    match part:
        case Reference(rule, line):
            if rule not in rules:
                raise GrammarError(f"line {line}: there is no rule <{rule}>")
            if rule in within:
                raise GrammarError(f"line {line}: <{rule}> contains itself: repeat a part of it with * or + instead")
            _check_references(rules, rules[rule], (*within, rule))
        case Sequence(parts):
            for inner in parts:
                _check_references(rules, inner, within)
        case Choice(options):
            for _, inner in options:
                _check_references(rules, inner, within)
        case Repetition(inner):
            _check_references(rules, inner, within)
