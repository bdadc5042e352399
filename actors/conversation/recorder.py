"""Records calls at the wire: exactly what the caller sent and was sent, in a stereo WAV (`stereo.py`).

One thread of the conversation actor writes all of them, about once a second: a disk that is slow for less than the 30 s
that ear and tap hold costs nothing, and the conversations do not notice. Where a recording is and where it began is in
the call's journal, so that a successor goes on with it: what was heard and sent meanwhile is still in the rings.
"""

import asyncio
import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from actors.conversation.stereo import NotOurs, StereoFile
from actors.conversation.tape import Tape
from config.schema import Settings
from ipc import journal
from ipc.ear import EarReader
from ipc.journal import Noted, Record, Recorded
from ipc.rings import BELLS, TAP_SLOTS, Rings
from ipc.tap import TapReader

log = logging.getLogger(__name__)

PIECE_S = 1.0
SWEEP_S = 3600.0
DAY_S = 86_400

_OURS = re.compile(r"\d{8}-\d{6}-.+\.wav")


def folder(settings: Settings) -> Path:
    """Where the recordings are."""
    given = settings.recording.directory
    return Path(given).expanduser() if given else settings.history.folder / "recordings"


class Recorder:
    """The recordings of one call; there is one at a time."""

    def __init__(
        self, call_id: str, segment: str, rings: Rings, settings: Settings, write: Callable[[Record], None]
    ) -> None:
        """`write` puts a record into the call's journal."""
        self._call_id = call_id
        self._segment = segment
        self._rings = rings
        self._settings = settings
        self._write = write
        self._session: _Session | None = None

    def begin(self, before: Iterable[Record]) -> None:
        """Goes on with the recording that a predecessor has left; of a new call, records it where `recording.calls`
        says so. `before`: what is in the call's journal."""
        last = None
        for record in before:
            last = record if isinstance(record, Recorded) else last
        if last is not None and not last.ended:
            self._open(Path(last.path), last.from_frame, go_on=True)
        elif last is None and self._settings.recording.calls == "wire":
            self.start()

    def start(self) -> None:
        """Records from now on. Nothing happens where it does already. A failure is in the journal, and in the log."""
        if self._session is not None:
            return
        name = journal.path(Path(), self._call_id).stem
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        path = folder(self._settings) / f"{stamp}-{name}.wav"
        from_frame = EarReader(self._rings).position
        self._write(Recorded(at_ns=time.monotonic_ns(), path=str(path), from_frame=from_frame, frames=0))
        self._open(path, from_frame, go_on=False)

    def stop(self) -> None:
        """The last frames are those of now. Nothing happens where nothing is recorded."""
        session, self._session = self._session, None
        if session is None:
            return
        until = EarReader(self._rings).position
        frames = until - session.from_frame
        self._write(
            Recorded(
                at_ns=time.monotonic_ns(),
                path=str(session.path),
                from_frame=session.from_frame,
                frames=frames,
                ended=True,
            )
        )
        session.until = until
        SCRIBE.wake()

    def _open(self, path: Path, from_frame: int, *, go_on: bool) -> None:
        self._rings.listen(BELLS.index("ear.tap"))
        loop = asyncio.get_running_loop()

        def failed(reason: str) -> None:
            loop.call_soon_threadsafe(self._failed, session, reason)

        session = self._session = _Session(self._segment, path, from_frame, failed, go_on=go_on)
        SCRIBE.take(session)

    def _failed(self, session: "_Session", reason: str) -> None:
        log.error("call %s: the recording has ended: %s", self._call_id, reason)
        if self._session is session:
            self._session = None
            ended = Recorded(
                at_ns=time.monotonic_ns(),
                path=str(session.path),
                from_frame=session.from_frame,
                frames=session.written,
                ended=True,
            )
            self._write(Noted(at_ns=time.monotonic_ns(), what="recording failed", detail={"reason": reason}))
            self._write(ended)


class _Session:
    """One recording, as the thread has it: its own view of the rings, so that the call may end before the file does."""

    def __init__(
        self, segment: str, path: Path, from_frame: int, failed: Callable[[str], None], *, go_on: bool
    ) -> None:
        self.path = path
        self.from_frame = from_frame
        self.until: int | None = None
        """The ear's frame before which it ends, once that is known."""
        self.written = 0
        """Frames that are in the file."""
        self.failed = failed
        self._go_on = go_on
        self._file: StereoFile | None = None
        self._rings: Rings | None = Rings(segment)

    def write_piece(self) -> bool:
        """Writes what has come; False when the recording is over. Raises OSError and `NotOurs`."""
        assert self._rings is not None
        until = self.until
        if self._file is None:
            self._open(self._rings)
            assert self._file is not None
        while frame := self._ear.read():
            self._tape.hear(frame.number, frame.pcm)
        while sent := self._tap.read():
            self._tape.send(sent.beside, sent.pcm)
        piece = self._tape.take(until)
        if piece:
            self._file.append(piece)
            self.written = self._file.samples * 2 // self._rings.payload
        return until is None

    def _open(self, rings: Rings) -> None:
        if self._go_on:
            self._file = StereoFile.go_on(self.path, rings.rate)
            self.written = self._file.samples * 2 // rings.payload
        else:
            self._file = StereoFile.create(self.path, rings.rate)
        next_frame = self.from_frame + self.written
        self._ear = EarReader(rings, next_frame)
        self._tape = Tape(rings.payload, self.from_frame, self.written)
        # What is in the tap from before is left out; of a successor's, what is in the file already.
        newest = TapReader(rings).position
        self._tap = TapReader(rings, max(0, newest - TAP_SLOTS + 1))
        while (sent := self._tap.read()) is not None:
            if (sent.beside - next_frame) & 0xFFFFFFFF < 0x80000000:
                self._tap.position = sent.number
                break

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._rings is not None:
            self._rings.close()
            self._rings = None


class _Scribe:
    """The thread that writes all recordings of this process. It is there while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: list[_Session] = []
        self._awake = threading.Event()
        self._running = False

    def take(self, session: _Session) -> None:
        with self._lock:
            self._sessions.append(session)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="recordings", daemon=True).start()

    def wake(self) -> None:
        self._awake.set()

    def _run(self) -> None:
        while True:
            self._awake.clear()
            with self._lock:
                sessions = list(self._sessions)
            over = [session for session in sessions if not self._go_on(session)]
            with self._lock:
                self._sessions = [session for session in self._sessions if session not in over]
                if not self._sessions:
                    self._running = False
                    return
            self._awake.wait(PIECE_S)

    @staticmethod
    def _go_on(session: _Session) -> bool:
        try:
            if session.write_piece():
                return True
        except (OSError, NotOurs) as error:
            session.failed(f"{error}: is there room, and may we write there (`recording.directory`)?")
        session.close()
        return False


SCRIBE = _Scribe()


# -- clearing up


async def sweep_for_ever(settings: Settings) -> None:
    """Deletes recordings that are older than `recording.keep_days`, at the start and every hour."""
    while settings.recording.keep_days:
        await asyncio.to_thread(sweep, folder(settings), settings.recording.keep_days)
        await asyncio.sleep(SWEEP_S)


def sweep(directory: Path, keep_days: int) -> int:
    """Deletes recordings, and nothing else, that were last written to so many days ago; gives how many."""
    limit = time.time() - keep_days * DAY_S
    deleted = 0
    with contextlib.suppress(OSError):  # none yet
        for path in directory.iterdir():
            with contextlib.suppress(OSError):  # another actor was faster
                if _OURS.fullmatch(path.name) and path.lstat().st_mtime < limit:
                    path.unlink()
                    deleted += 1
    return deleted
