"""A person on the phone, as the scenes of these tests have them: speaks with a synthetic voice, and knows what they
were told by the call's journal, which holds the words that went on the wire.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from bench.asterisk import Phone
from bench.asterisk.media.handset import Wire
from bench.caller import VOICED_DBFS, level_dbfs
from bench.demo import describe
from bench.voices import CallerVoice
from ipc import journal
from ipc.journal import AgentSaid, CallEnded, CallerSaid, Record
from ipc.messages import MediaChanged
from tests.system.house import House

R = TypeVar("R", bound=Record)

VOICE = CallerVoice("en-us+m3", words_per_minute=180, seed=7)

GREETING = "Hello."
QUESTION, ANSWER = "opening hours", "Monday to Friday."
GOODBYE = "thank you bye"


def any_of_them(record: Any) -> bool:
    return True


class Guest:
    def __init__(self, house: House, phone: Phone) -> None:
        self.house = house
        self.phone = phone
        self._taken: dict[type[Record], int] = {}

    @property
    def call_id(self) -> str:
        """As Ringmaster names the call: by the channel's id, or by the UUID that the dialplan gave to AudioSocket()."""
        where = self.phone.where
        if where is not None and where.context == "inbound" and where.exten == "1001":
            uuid = next(place.data for place in self.phone.path if place.app == "AudioSocket").partition(",")[0]
            return f"direct-{uuid}"
        return self.phone.id

    # -- the journal

    @property
    def records(self) -> list[Record]:
        """The call's journal so far."""
        file = journal.path(self.house.system.run_dir, self.call_id)
        return list(journal.read(file)) if file.exists() else []

    def all(self, kind: type[R]) -> list[R]:
        return [record for record in self.records if isinstance(record, kind)]

    async def record(self, kind: type[R], which: Callable[[R], bool] = any_of_them) -> R:
        """The next record of this kind that is such a one: after those that were asked for before."""

        def look() -> R | None:
            taken = self._taken.get(kind, 0)
            for number, record in enumerate(self.all(kind)[taken:], taken + 1):
                if which(record):
                    self._taken[kind] = number
                    return record
            return None

        with self._story():
            return await self.house.until(f"a record {kind.__name__}", look)

    @contextlib.contextmanager
    def _story(self) -> Iterator[None]:
        """A failure tells what the caller has heard."""
        try:
            yield
        except AssertionError as error:
            told = [line for record in self.records if (line := describe(record))]
            places = [f"  {place.context},{place.exten},{place.priority} {place.app}" for place in self.phone.path]
            story = "\n".join(["the call:", *told, "in the dialplan:", *places])
            raise AssertionError(f"{error}\n{story}") from None

    # -- listening

    async def is_told(self, words: str) -> AgentSaid:
        """The agent's next reply, to its end."""
        said = await self.record(AgentSaid)
        with self._story():
            assert words in said.heard, f"the caller expected {words!r} and heard {said.heard!r}"
        return said

    async def hears_the_agent_speak(self, seconds: float = 0.6) -> None:
        """Until so much of the agent's voice has come from now on; it goes on speaking."""
        enough, frames = asyncio.Event(), round(seconds * 50)
        loop = asyncio.get_running_loop()

        def hear(wire: Wire) -> None:  # in a media thread
            nonlocal frames
            frames -= level_dbfs(wire.pcm) > VOICED_DBFS
            if not frames:
                loop.call_soon_threadsafe(enough.set)

        self.phone.on_frame(hear)
        with self._story():
            await self.house.until("the agent speaks", enough.is_set)
        self.phone.on_frame(None)

    async def is_told_in_vain(self, words: str) -> AgentSaid:
        """A reply that was cut off: some of it was heard, and `words` were not."""
        said = await self.record(AgentSaid)
        with self._story():
            assert said.interrupted
            assert said.played > 0
            assert said.heard, "nothing was heard"
            assert words in said.text
            assert words not in said.heard
        return said

    # -- speaking

    async def says(self, text: str) -> None:
        await self.phone.speak(self.voiced(text))

    async def says_while(self, text: str, happens: Callable[[], None]) -> None:
        """It happens in the middle of what they say."""
        pcm, size = self.voiced(text), self.phone.frame_bytes
        middle = len(pcm) // size // 2 * size
        first, second = self.phone.say(pcm[:middle]), self.phone.say(pcm[middle:])
        await first
        happens()
        await second

    def voiced(self, text: str) -> bytes:
        return VOICE.say(text, self.phone.rate).astype("<i2").tobytes()

    async def is_understood(self, text: str) -> CallerSaid:
        said = await self.record(CallerSaid)
        with self._story():
            assert said.text == text, f"the caller said {text!r}; understood was {said.text!r}"
            assert said.lost_frames == 0
        return said

    async def asks(self, question: str = QUESTION, answer: str = ANSWER) -> AgentSaid:
        """A question, understood and answered."""
        await self.says(question)
        await self.is_understood(question)
        return await self.is_told(answer)

    # -- the end

    async def says_goodbye(self) -> CallEnded:
        """The agent hangs up, once it has said goodbye itself."""
        await self.asks(GOODBYE, "Goodbye!")
        return await self.is_over()

    async def hangs_up(self) -> CallEnded:
        self.phone.hang_up()
        return await self.is_over()

    async def is_over(self) -> CallEnded:
        ended = await self.record(CallEnded)
        with self._story():
            await self.house.until("the caller's phone is silent", self.phone.ended.is_set)
        return ended

    # -- what the house knows of the call

    def media(self) -> list[str]:
        """What became of the call's media connection so far."""
        changes = (change for change in self.house.changes if isinstance(change, MediaChanged))
        return [change.state for change in changes if change.call_id == self.call_id]


async def calls(house: House, extension: str = "1000") -> Guest:
    """Somebody calls, and is greeted."""
    guest = rings(house, extension)
    await guest.is_told(GREETING)
    return guest


def rings(house: House, extension: str = "1000") -> Guest:
    """Somebody calls."""
    return Guest(house, house.asterisk.dial(extension, caller_id="5551234", name="Ada"))
