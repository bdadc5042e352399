"""Keys that the caller presses: those that follow each other closely are one entry."""

from dataclasses import dataclass

PAUSE_NS = 1_500_000_000
"""After so long without another key the entry is complete."""

LONGEST = 64
"""Keys of one entry. The longest number that anybody is asked for is an IBAN of 34; more than this is a key that
got stuck, or somebody who wants to see what happens."""

_WORDS = {"0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven"} | {
    "8": "eight",
    "9": "nine",
    "*": "star",
    "#": "pound",
}


def told(digits: str) -> str:
    """How the agent is told of an entry: "pressed one pound" for "1#"."""
    return "pressed " + " ".join(_WORDS.get(digit, digit.lower()) for digit in digits)


@dataclass(slots=True)
class DigitEntry:
    digits: str = ""
    last_ns: int = 0
    dropped: int = 0
    """Keys that came when the entry was full."""

    def press(self, digit: str, now_ns: int) -> None:
        if len(self.digits) < LONGEST:
            self.digits += digit
        else:
            self.dropped += 1
        self.last_ns = now_ns

    @property
    def complete_ns(self) -> int:
        """When the entry is complete, if no other key follows."""
        return self.last_ns + PAUSE_NS

    def take(self) -> tuple[str, str]:
        """The entry, and how the agent is told of it. Begins a new one."""
        digits, self.digits, self.dropped = self.digits, "", 0
        return digits, told(digits)
