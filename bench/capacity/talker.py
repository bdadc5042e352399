"""One caller who talks with the agent: speaks, waits for the answer and its end, pauses, speaks again. Pure.

    listening --silent for 700 ms--> thinking --the pause is over--> speaking --the line's end--> waiting
        ^                                                                                            |
        '--------------------- the answer's first sample, or none within 10 s ----------------------'

It knows what a person at the phone knows: what it has said, and when there was sound.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

DONE_NS = 700_000_000
"""An agent that has been silent for this long has finished: longer than any pause within a reply."""
ANSWER_NS = 10_000_000_000
"""A caller who hears nothing for so long speaks again. The turn counts as unanswered."""
PAUSE_NS = (300_000_000, 1_500_000_000)
"""From the end of an answer to the next sentence, on top of `DONE_NS`: from and to, by chance."""

Stage = Literal["listening", "thinking", "speaking", "waiting"]


@dataclass(frozen=True)
class Sounds:
    """A look at the caller's line. Times in monotonic ns, 0 for what has not happened.

    lines:       that the caller has said to their end
    line_end_ns: when the last frame of the last of them was spoken
    audible_ns:  when the last audible frame of the agent arrived
    """

    lines: int
    line_end_ns: int
    audible_ns: int


@dataclass(frozen=True)
class Turn:
    """One sentence of the caller and what came back.

    speech_end_ns: its last frame was spoken
    latency_ms:    until the first sample of the answer was heard; None for no answer within 10 s
    """

    speech_end_ns: int
    latency_ms: float | None


class Talker:
    def __init__(self, began_ns: int, chance: random.Random, lines: int) -> None:
        """began_ns: the call came up. lines: how many different sentences there are."""
        self.turns: list[Turn] = []
        self._stage: Stage = "listening"
        self._since_ns = began_ns
        self._chance = chance
        self._lines = lines
        self._next = chance.randrange(lines)
        self._said = 0

    def waiting(self, now_ns: int) -> Turn | None:
        """The turn whose answer has not come yet, with the time that it has taken so far."""
        if self._stage != "waiting":
            return None
        return Turn(self._since_ns, (now_ns - self._since_ns) / 1e6)

    def look(self, now_ns: int, sounds: Sounds, first_sound_ns: Callable[[int], int]) -> int | None:
        """The sentence to say now, if any.

        first_sound_ns: when the agent was first audible after a time; 0 for not yet. Asked once a turn.
        """
        match self._stage:
            case "listening":
                if now_ns - max(self._since_ns, sounds.audible_ns) > self._patience_ns(sounds):
                    self._enter("thinking", now_ns + self._chance.randint(*PAUSE_NS))
            case "thinking":
                if sounds.audible_ns and now_ns - sounds.audible_ns < DONE_NS:
                    self._enter("listening", now_ns)  # it went on
                elif now_ns >= self._since_ns:
                    self._enter("speaking", now_ns)
                    self._next = (self._next + 1) % self._lines
                    return self._next
            case "speaking":
                if sounds.lines > self._said:
                    self._said = sounds.lines
                    self._enter("waiting", sounds.line_end_ns)
            case "waiting":
                self._wait(now_ns, sounds, first_sound_ns)
        return None

    def _patience_ns(self, sounds: Sounds) -> int:
        """Nobody speaks before the greeting, unless there is none."""
        return DONE_NS if sounds.audible_ns else ANSWER_NS

    def _wait(self, now_ns: int, sounds: Sounds, first_sound_ns: Callable[[int], int]) -> None:
        spoken_ns = self._since_ns
        heard_ns = first_sound_ns(spoken_ns) if sounds.audible_ns > spoken_ns else 0
        if heard_ns:
            self.turns.append(Turn(spoken_ns, (heard_ns - spoken_ns) / 1e6))
        elif now_ns - spoken_ns > ANSWER_NS:
            self.turns.append(Turn(spoken_ns, None))
        else:
            return
        self._enter("listening", now_ns)

    def _enter(self, stage: Stage, since_ns: int) -> None:
        self._stage, self._since_ns = stage, since_ns
