"""What the next 20 ms of the agent's speech are: the mouth's next slot, or silence until there is enough of it, or
silence on the wire because Asterisk plays the speech from files.

    mode       from                                                     what becomes of a slot of the mouth
    --------   ------------------------------------------------------   -------------------------------------------
    STREAM     the beginning                                            it goes on the wire (`actors.audio.buffering`)
    FILES      the beginning, where the configuration says `file`; or   it goes into a file of its clause, of which
               the next clause, when streaming has starved repeatedly   Asterisk is told (`actors.audio.airing`)
    STREAMED   when files do not work (no directory, no answer)         as STREAM, for the rest of the call

Files are for a call whose engine is slower than speech: a sentence late and whole is understood, one with a hole in
each second is not. What the caller has heard of them is counted while Asterisk plays them.

The usual path is one comparison longer than the mouth's own `take`; everything else happens only to calls that have
trouble.
"""

import logging
from enum import IntEnum

from actors.audio.airing import Airing
from actors.audio.buffering import Buffering, Verdict
from actors.audio.spool import Spool, Unspoolable
from config.media import Streaming
from ipc.messages import FileHeard, FileReady, FilesDropped
from ipc.mouth import MouthReader
from ipc.rings import Rings

log = logging.getLogger(__name__)

SETTLED_NS = 200_000_000
"""A clause that has ended and is not followed by another for so long is a file. Engines that are faster than speech
begin the next clause some 20 ms after the last one's end; what is waited here, the caller waits."""
ABANDONED_NS = 2_000_000_000
"""A clause of which nothing more comes is a file as it is."""
AT_ONCE = 25
"""Slots that are gathered in one tick: the writer is never held up, and the clock waits 0.2 ms at most."""

Taken = tuple[bytes, int]
"""PCM of at most one frame, and its generation."""


class Mode(IntEnum):
    STREAM = 0
    FILES = 1
    STREAMED = 2


class State(IntEnum):
    """Of streaming."""

    IDLE = 0
    """Between clauses: the next may have to wait."""
    FLOWING = 1
    DRY = 2
    """A hole in mid-clause."""


class Playout:
    """One call's. To be asked once for each frame that is due."""

    def __init__(self, rings: Rings, streaming: Streaming, playback: str, call_id: str) -> None:
        """`playback` is `stream` or `file`. A successor goes on as its predecessor would have."""
        self.mouth = MouthReader(rings)
        """For what is put on the wire to be noted there."""
        self.underrun = False
        """True when the None that `take` has just returned is a hole in mid-clause."""
        self.aired = b""
        """What Asterisk plays meanwhile, from files: at most one frame, for whoever records the call."""
        self.notes: list[FileReady | FilesDropped] = []
        """For the supervisor; whoever sends them empties it."""
        self.file_failures = 0
        """How often a file could not be written or heard."""
        self._streaming = streaming
        self._call_id = call_id
        self._rate = rings.rate
        self._frame = rings.payload
        self._spool = Spool(streaming.media_directory, rings.rate, call_id)
        self._airing = Airing(rings.rate)
        self._gathered: list[bytes] = []
        """Of the clauses that will be the next file."""
        self._gathered_bytes = 0
        self._gathered_ns = 0
        self._rest: list[bytes] = []
        """What is to be streamed before the mouth, the next frame last: it was meant to be heard from files."""
        self._state = State.IDLE
        self._files_next = False
        remembered = self.mouth.remembered or (Mode.FILES if playback == "file" else Mode.STREAM, 0, 0, 0, 0, 0)
        self._mode = Mode(remembered[0])
        self._buffering = Buffering(streaming, remembered[1])
        self._generation = self.mouth.audible
        self._owed = (remembered[2], remembered[3])
        """Generation and samples that a predecessor had taken out of the mouth and that nobody had heard yet."""
        self._remembered: tuple[int, ...] = ()
        self._careful = remembered[3] > 0 or self._mode is Mode.FILES or not self._buffering.always_on_time

    def take(self, now_ns: int) -> Taken | None:
        """What goes on the wire now; None is silence. What is returned is on the wire: the caller of this notes it as
        played."""
        if self._careful:
            return self._take_carefully(now_ns)
        taken = self.mouth.take()
        if taken is None and self.mouth.mid_clause:
            self._generation = self.mouth.audible
            self._careful = True
            self._note_hole(now_ns)
        return taken

    def heard(self, message: FileHeard, now_ns: int) -> None:
        """Asterisk's word on one of the files."""
        self._note_heard(self._airing.note(message, now_ns), now_ns)
        if message.state == "failed" and self._mode is Mode.FILES:
            self._give_up_files(f"{message.playback_id} was not played, and call-control has logged why")

    # -- calls that have trouble, or are played from files

    def _take_carefully(self, now_ns: int) -> Taken | None:
        self.underrun = False
        if self.mouth.audible != self._generation:
            self._begin_generation()
        if self._owed[1]:
            self._take_over(now_ns)
        if self._airing.busy:
            self._note_heard(self._airing.advance(now_ns), now_ns)
            if self._airing.unanswered and self._mode is Mode.FILES:
                self._give_up_files("nobody has said that Asterisk plays them; is call-control running?")
        self.aired = self._airing.sound(self._frame) if self._mode is Mode.FILES else b""
        taken = self._gather(now_ns) if self._mode is Mode.FILES else None
        if self._mode is not Mode.FILES and not self._airing.busy:
            taken = (self._rest.pop(), self._generation) if self._rest else self._stream(now_ns)
        self._remember()
        return taken

    def _begin_generation(self) -> None:
        """The caller has interrupted, or the next reply begins: nothing older is to be heard."""
        self._generation = self.mouth.audible
        if self._airing.drop() or self._gathered:
            self.notes.append(FilesDropped(call_id=self._call_id, generation=self._generation))
        self._gathered, self._gathered_bytes = [], 0
        self._rest.clear()
        self._state = State.IDLE
        self._buffering.begin()

    def _note_heard(self, heard: list[tuple[int, int]], now_ns: int) -> None:
        for generation, samples in heard:
            self.mouth.note_played(generation, samples, now_ns)

    # -- streaming

    def _stream(self, now_ns: int) -> Taken | None:
        mouth, buffering = self.mouth, self._buffering
        if self._state is not State.FLOWING:
            if self._files_next and self._state is State.IDLE:
                self._begin_files()
                return self._gather(now_ns)
            ahead = mouth.look_ahead()
            if not buffering.may_start(now_ns, ahead):
                if self._state is State.DRY:
                    self.underrun = True
                    self._judge(now_ns, empty=ahead.frames == 0)
                return None
            self._state = State.FLOWING
        taken = mouth.take()
        if taken is not None:
            self._careful = not buffering.always_on_time or self._files_next
            if self._careful and mouth.mid_clause and mouth.waiting <= buffering.telling:
                buffering.flows(mouth.look_ahead())
        elif mouth.mid_clause:
            self._note_hole(now_ns)
        else:
            buffering.clause_over()
            self._state = State.IDLE
            self._careful = not buffering.always_on_time or self._files_next
        return taken

    def _note_hole(self, now_ns: int) -> None:
        self.underrun = True
        if self.mouth.live:
            # To hold back what is worth less the later it comes would only make it later.
            self._state = State.FLOWING
        else:
            self._buffering.ran_dry(now_ns)
            self._state = State.DRY

    def _judge(self, now_ns: int, *, empty: bool) -> None:
        verdict = self._buffering.still_dry(now_ns, empty=empty)
        if verdict is Verdict.BEARABLE or self._files_next:
            return
        if not self._streaming.file_fallback or self._mode is Mode.STREAMED:
            return
        self._files_next = True
        log.warning(
            "call %s: the agent's speech comes too slowly to be streamed: what follows is played from files, each as "
            "soon as it is whole (`streaming.starvations`, `streaming.fallback_timeout_ms`). Is its engine overloaded?",
            self._call_id,
        )
        if verdict is Verdict.FILES_NOW:
            self._begin_files()

    # -- files

    def _begin_files(self) -> None:
        self._mode, self._files_next, self._state = Mode.FILES, False, State.IDLE

    def _gather(self, now_ns: int) -> Taken | None:
        """Moves what has come into the next file. What comes live goes on the wire all the same."""
        mouth = self.mouth
        chunk = self._bytes(self._streaming.file_chunk_ms)
        ahead = self._airing.owed * 2 + self._gathered_bytes
        for _ in range(AT_ONCE):
            # An agent that never stops must not fill the directory: two files ahead are enough.
            if ahead >= 2 * chunk:
                break
            taken = mouth.take()
            if taken is None:
                break
            if mouth.live:
                return taken
            self._gathered.append(taken[0])
            self._gathered_bytes += len(taken[0])
            self._gathered_ns = now_ns
            ahead += len(taken[0])
            if self._gathered_bytes >= chunk:
                self._file(now_ns)
                break
        quiet_ns = now_ns - self._gathered_ns
        if self._gathered and quiet_ns >= (ABANDONED_NS if mouth.mid_clause else SETTLED_NS):
            self._file(now_ns)
        return None

    def _file(self, now_ns: int) -> None:
        """Makes a file of what has been gathered, and says so."""
        pcm = b"".join(self._gathered)
        try:
            playback_id = self._spool.write(pcm, now_ns)
        except Unspoolable as error:
            self._give_up_files(str(error))
            return
        self._gathered, self._gathered_bytes = [], 0
        self._airing.add(playback_id, self._generation, pcm, now_ns)
        self.notes.append(
            FileReady(
                call_id=self._call_id, playback_id=playback_id, generation=self._generation, samples=len(pcm) // 2
            )
        )

    def _give_up_files(self, reason: str) -> None:
        """The rest of the call is streamed, beginning with what has not been heard."""
        log.error("call %s: the agent's speech cannot be played from files, it is streamed: %s", self._call_id, reason)
        self.file_failures += 1
        self._mode = Mode.STREAMED
        unheard = b"".join(file.pcm[file.counted * 2 :] for file in self._airing.drop())
        if unheard:
            self.notes.append(FilesDropped(call_id=self._call_id, generation=self._generation + 1))
        unheard += b"".join(self._gathered)
        self._gathered, self._gathered_bytes = [], 0
        self._rest = [unheard[at : at + self._frame] for at in range(0, len(unheard), self._frame)][::-1]

    def _bytes(self, ms: int) -> int:
        return self._rate * ms // 1000 * 2

    # -- for a successor

    def _take_over(self, now_ns: int) -> None:
        generation, samples = self._owed
        self._owed = (0, 0)
        if generation == self._generation:
            self._airing.take_over(generation, samples, now_ns)

    def _remember(self) -> None:
        waiting = self._gathered_bytes + sum(len(frame) for frame in self._rest)
        state = (self._mode, self._buffering.delay_ms, self._generation, self._airing.owed + waiting // 2, 0, 0)
        if state != self._remembered:
            self._remembered = state
            self.mouth.remember(state)
