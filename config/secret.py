"""A text that must not be seen: a password, a key. It has to be asked for by name, so no log shows it by accident."""

HIDDEN = "***"


class Secret:
    """Wraps the text. `str`, `repr` and f-strings give `***`; msgspec and pickle refuse it."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one line that sends it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return HIDDEN if self._text else ""

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __reduce__(self) -> str:
        raise TypeError("a Secret does not leave its process: load the configuration where it is needed")
