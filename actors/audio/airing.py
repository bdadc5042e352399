"""What Asterisk plays of the agent's speech from files, and how much of it the caller has heard. Pure: told the time.

A file's clock starts when Asterisk says that it plays it, and stops at its last sample. Asterisk does not always say so
(a playback whose channel goes away ends without a word, and call-control may just be starting again), and turn-taking
must not wait for ever: a file of which nothing is heard within its own length and `PATIENCE_NS` counts as heard.
"""

from collections import deque
from dataclasses import dataclass

from ipc.messages import FileHeard

PATIENCE_NS = 2_000_000_000
"""Beyond a file's length: call-control and Asterisk take some 10 ms, and a dead call-control is back in a second."""


@dataclass(slots=True)
class Filed:
    playback_id: str
    """"" for what a predecessor has left."""
    generation: int
    pcm: bytes
    samples: int
    counted: int = 0
    """Samples that the caller has heard."""
    started_ns: int = 0
    deadline_ns: int = 0


class Airing:
    """One call's files, in the order in which they are heard."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._files: deque[Filed] = deque()
        self._sounding = bytearray()
        """What the caller has heard and `sound` has not given yet."""
        self.unanswered = 0
        """Files of which Asterisk has not said a word in time."""

    @property
    def busy(self) -> bool:
        return bool(self._files)

    @property
    def owed(self) -> int:
        """Samples that the caller has yet to hear."""
        return sum(file.samples - file.counted for file in self._files)

    def add(self, playback_id: str, generation: int, pcm: bytes, now_ns: int) -> None:
        """Asterisk is being told of this file."""
        self._files.append(Filed(playback_id, generation, pcm, len(pcm) // 2))
        if len(self._files) == 1:
            self._await(now_ns)

    def take_over(self, generation: int, samples: int, now_ns: int) -> None:
        """A predecessor has left so much unheard. Of which files, nobody knows: it is heard from now on."""
        self._files.append(Filed("", generation, b"", samples, started_ns=now_ns))

    def advance(self, now_ns: int) -> list[tuple[int, int]]:
        """Generations, and how many samples of each the caller has heard since the last time."""
        heard = []
        while self._files:
            file = self._files[0]
            if file.started_ns:
                due = min(file.samples, (now_ns - file.started_ns) * self._rate // 1_000_000_000)
            elif now_ns >= file.deadline_ns:
                self.unanswered += 1
                due = file.samples
            else:
                break
            if due > file.counted:
                heard.append((file.generation, due - file.counted))
                if file.started_ns:
                    self._sounding += file.pcm[file.counted * 2 : due * 2]
                file.counted = due
            if due < file.samples:
                break
            self._next(now_ns)
        return heard

    def note(self, heard: FileHeard, now_ns: int) -> list[tuple[int, int]]:
        """Asterisk's word on a file; gives what `advance` gives. One that is unknown is over already, or not ours."""
        if not any(file.playback_id == heard.playback_id for file in self._files):
            return []
        done: list[tuple[int, int]] = []
        # They are played in order: of those before it, the last word has been lost.
        while self._files[0].playback_id != heard.playback_id:
            done += self._finish(now_ns)
        if heard.state == "playing":
            self._files[0].started_ns = self._files[0].started_ns or now_ns
        elif heard.state == "done":
            done += self._finish(now_ns)
        return done

    def sound(self, size: int) -> bytes:
        """The next so many bytes of what the caller has heard; fewer where there are no more."""
        given = bytes(self._sounding[:size])
        del self._sounding[:size]
        return given

    def drop(self) -> list[Filed]:
        """Nothing of them is to be heard any more; gives them."""
        dropped = list(self._files)
        self._files.clear()
        self._sounding.clear()
        return dropped

    def _finish(self, now_ns: int) -> list[tuple[int, int]]:
        file = self._files[0]
        left = file.samples - file.counted
        self._sounding += file.pcm[file.counted * 2 :]
        self._next(now_ns)
        return [(file.generation, left)] if left else []

    def _next(self, now_ns: int) -> None:
        self._files.popleft()
        if self._files:
            self._await(now_ns)

    def _await(self, now_ns: int) -> None:
        first = self._files[0]
        first.deadline_ns = now_ns + first.samples * 1_000_000_000 // self._rate + PATIENCE_NS
