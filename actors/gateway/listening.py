"""One client's stream of audio, as utterances: those that it marks itself, or those that we find in it.

client marks (`hear`, audio, `finish`)        frames go into the ear; marks become frame numbers as they come
we find them (`endpointing: server`, v1)      frames also go through the detector, which says where they are
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from actors.gateway.endpointing import BEFORE_FRAMES, Endpointer
from actors.gateway.recognising import Lost, Recognising
from ipc.messages import Heard


class Ears(Protocol):
    """Who wants to know what was heard."""

    def began(self, utterance: int) -> None:
        """We have found the beginning of one."""

    def heard(self, utterance: int, heard: Heard) -> None: ...

    def unheard(self, utterance: int, reason: str) -> None:
        """It was lost."""


class Listening:
    """Marks and audio are taken in the order in which they came, without waiting for what comes of them."""

    def __init__(
        self,
        recogniser: Recognising,
        ears: Ears,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[Any]],
        endpointer: Endpointer | None = None,
    ) -> None:
        self._recogniser = recogniser
        self._ears = ears
        self._spawn = spawn
        self._endpointer = endpointer
        self._frame_bytes = recogniser.frame_bytes
        self._found = 0
        """Utterances that we have found."""
        self._free_from = 0
        """The last utterance that we have found ended before this frame."""
        self._unseen = b""
        """Samples that the detector has not seen yet."""
        self._seen = 0
        """Frames that it has."""

    def audio(self, pcm: bytes) -> float:
        """Returns for how many seconds no more is to be taken."""
        wait = self._recogniser.write(pcm)
        if self._endpointer is not None:
            self._look(self._endpointer, pcm)
        return wait

    def _look(self, endpointer: Endpointer, pcm: bytes) -> None:
        pcm = self._unseen + pcm
        size = self._frame_bytes
        whole = len(pcm) // size * size
        self._unseen = pcm[whole:]
        for at in range(0, whole, size):
            event = endpointer.hear(pcm[at : at + size])
            self._seen += 1
            if event == "began":
                self._found += 1
                self._ears.began(self._found)
                self._begin(self._found, max(self._free_from, self._seen - BEFORE_FRAMES))
            elif event == "ended":
                self._end(self._found, self._seen)

    # -- what the client marks

    def hear(self, utterance: int) -> None:
        self._begin(utterance, self._recogniser.flush())

    def finish(self, utterance: int) -> None:
        self._end(utterance, self._recogniser.flush())

    # -- what we find

    @property
    def speaking(self) -> bool:
        return self._endpointer is not None and self._endpointer.speaking

    def finish_what_was_found(self) -> None:
        """No more audio comes for a while: what is being said has been said."""
        if self._endpointer is not None and self._endpointer.speaking:
            self._endpointer.reset()
            # What fills the last frame up is a frame that the detector has not seen.
            self._seen, self._unseen = self._recogniser.flush(), b""
            self._end(self._found, self._seen)

    def _begin(self, utterance: int, frame: int) -> None:
        self._spawn(self._begun(utterance, frame), "an utterance begins")

    def _end(self, utterance: int, frame: int) -> None:
        self._free_from = frame
        self._spawn(self._finished(utterance, frame), "an utterance ends")

    async def _begun(self, utterance: int, frame: int) -> None:
        try:
            await self._recogniser.begin(utterance, frame)
        except Lost as lost:
            self._ears.unheard(utterance, str(lost))

    async def _finished(self, utterance: int, frame: int) -> None:
        try:
            heard = await self._recogniser.finish(utterance, frame)
        except Lost as lost:
            self._ears.unheard(utterance, str(lost))
        else:
            self._ears.heard(utterance, heard)

    async def close(self) -> None:
        await self._recogniser.close()
