"""What an agent's sentences may say of a call: `{caller_name}`, `{caller_number}`, and what the call brought with it.

All of it comes from outside (a caller's name is whatever their telephone says), and is spoken, written into channel
variables and shown to language models. So it is one short line without control characters or braces.
"""

import re
from collections.abc import Mapping

LONGEST = 80
"""Characters of one value: more than anybody wants to hear read out."""
MOST = 32
"""Variables of one call."""
NOBODY = "an unknown caller"
"""Who has neither name nor number."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def plain(text: str, longest: int = LONGEST) -> str:
    """The text on one line, without what cannot be spoken or would be taken for a placeholder."""
    printable = "".join(character if character.isprintable() and character not in "{}" else " " for character in text)
    return " ".join(printable.split())[:longest].rstrip()


class Details:
    """Of one call."""

    def __init__(
        self,
        caller_name: str = "",
        caller_number: str = "",
        variables: Mapping[str, str] | None = None,
        defaults: Mapping[str, str] | None = None,
    ) -> None:
        """`variables` are the call's, in whatever letters, where `AI_REASON` is `{reason}` as well as `REASON` is;
        `defaults` the agent's, for those that it lacks."""
        self._values = dict(defaults or {})
        for name, value in list((variables or {}).items())[:MOST]:
            known = name.lower().removeprefix("ai_")
            if _NAME.fullmatch(known) and (said := plain(value)):
                self._values[known] = said
        # Digit by digit: a synthesiser reads "5551234" as five and a half million.
        number = " ".join(character for character in caller_number if character.isdecimal())[: 2 * LONGEST]
        name = plain(caller_name)
        if not any(character.isalpha() for character in name):
            name = ""  # many telephones send the number as name
        self._values["caller_number"] = number or NOBODY
        self._values["caller_name"] = name or number or NOBODY

    def fill(self, text: str, more: Mapping[str, str] | None = None) -> str:
        """The text as it is said. `more` fills further placeholders; what nothing fills is left out."""
        if "{" not in text:
            return text
        filled = _PLACEHOLDER.sub(lambda found: (more or {}).get(found[1]) or self._values.get(found[1], ""), text)
        return " ".join(filled.split())
