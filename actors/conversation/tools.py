"""What an agent does to a call besides talking: each tool that it may use, and what became of it.

`hang_up` is not here: the turn machine ends the call itself. A booking is what the journal says of it: whoever keeps
the calendar reads it there.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping

from actors.conversation import events as ev
from actors.conversation.details import Details, plain
from actors.conversation.line import Line
from config.agent import Agent
from config.schema import Destination, Settings
from ipc.actions import AnswerCall, AskExtension, Consult, ExtensionState, HoldCaller, SendDigits
from ipc.bus import NoAnswer, Refused
from ipc.journal import ToolRun

CONSULT_S = 15.0
"""For a call to be placed: Asterisk answers at once, but may be slow to find the endpoint."""
STATE_S = 2.0
"""For the state of an extension: the caller waits for it. Without it the call is simply placed."""

_DIGITS = re.compile(r"[0-9A-Da-d*#wW]{1,64}")
"""`w` is a pause of half a second. More are no number that anybody dials, and would hold the line for minutes."""

FAILED = "failed: "
"""How the outcome begins of a tool of whose failure the model is told."""


class Tools:
    """Of one call. `feed` gets what the turn machine is to know."""

    def __init__(
        self,
        line: Line,
        settings: Settings,
        agent: Agent,
        details: Details,
        feed: Callable[[ev.Event], None],
        transferring: Callable[[], bool],
        *,
        held: bool = False,
    ) -> None:
        """`transferring`: whether an attended transfer is under way. `held`: whether the caller hears music."""
        self._line = line
        self._settings = settings
        self._agent = agent
        self._details = details
        self._feed = feed
        self._transferring = transferring
        self._held = held
        self._tools: dict[str, Callable[[Mapping[str, str]], Awaitable[str]]] = {
            "transfer": self._transfer,
            "cancel_transfer": self._cancel_transfer,
            "voicemail": self._voicemail,
            "hold": lambda _: self._hold(True),
            "resume": lambda _: self._hold(False),
            "send_digits": self._send_digits,
            "record": self._record,
            "answer": lambda _: line.do(AnswerCall(call_id=line.call_id)),
            "set_result": lambda arguments: line.set_result(dict(arguments)),
            "take_booking": self._take_booking,
        }

    async def run(self, tool: ev.RunTool) -> None:
        """Does it, writes down what became of it, and lets the model hear of it if it failed."""
        arguments = {name: self._details.fill(value) for name, value in tool.arguments.items()}
        allowed = tool.name in self._agent.tools or tool.name == "resume"  # who speaks again takes the caller back
        if tool.name not in self._tools or not allowed:
            failure = "the agent has no such tool"
        else:
            failure = await self._tools[tool.name](arguments)
        unreachable = isinstance(failure, Unreachable)
        outcome = (failure if unreachable else FAILED + failure) if failure else "done"
        now_ns = time.monotonic_ns()
        self._line.write(
            ToolRun(at_ns=now_ns, turn=tool.turn, name=tool.name, arguments=arguments, outcome=str(outcome))
        )
        if unreachable:
            destination = self._title(arguments.get("destination", ""))
            self._feed(ev.Tell(self._details.fill(self._agent.unreachable, {"destination": destination})))
        elif failure:
            self._feed(ev.ToolFailed(tool.name, failure))

    # -- the caller goes to somebody else

    async def _transfer(self, arguments: Mapping[str, str]) -> str:
        name = arguments.get("destination", "")
        place = self._settings.transfers.destinations.get(name) if name in self._agent.transfers else None
        if place is None:
            known = ", ".join(self._agent.transfers) or "none"
            return f"there is no destination {plain(name)!r} for this agent; there are: {known}"
        if self._transferring():
            return "a transfer is under way already"
        if place.check and (state := await self._state_when_unreachable(name)):
            return Unreachable(f"unreachable: {state}")
        if place.mode == "attended":
            return await self._consult(name, place, plain(arguments.get("reason", ""), 200))
        return await self._line.transfer(name, f"transferred:{name}")

    async def _state_when_unreachable(self, name: str) -> str:
        """ "" where somebody may answer, or nobody knows."""
        try:
            answer = await self._line.ask(AskExtension(call_id=self._line.call_id, destination=name), STATE_S)
        except (NoAnswer, Refused):
            return ""
        return answer.state if isinstance(answer, ExtensionState) and not answer.reachable else ""

    async def _consult(self, name: str, place: Destination, reason: str) -> str:
        self._feed(ev.ConsultBegun(name, self._title(name), reason, place.ring_s, place.decide_s))
        failure = await self._line.do(Consult(call_id=self._line.call_id, destination=name), CONSULT_S)
        if failure:
            self._feed(ev.ConsultRefused(failure))
        return failure

    def _title(self, name: str) -> str:
        place = self._settings.transfers.destinations.get(name)
        return place.title if place and place.title else name.replace("_", " ").replace("-", " ")

    async def _cancel_transfer(self, _: Mapping[str, str]) -> str:
        # One that is under way is cancelled before it comes here: see `Talk`.
        return "no transfer is under way"

    async def _voicemail(self, _: Mapping[str, str]) -> str:
        name = self._settings.transfers.voicemail
        if not name:
            return "there is no voicemail: set `transfers.voicemail` to the name of its destination"
        return await self._line.transfer(name, "voicemail")

    # -- the caller stays

    async def _hold(self, on: bool) -> str:
        if self._held == on:
            return ""
        failure = await self._line.do(HoldCaller(call_id=self._line.call_id, on=on))
        self._held = on if not failure else self._held
        return failure

    async def _send_digits(self, arguments: Mapping[str, str]) -> str:
        digits = re.sub(r"[\s.-]", "", arguments.get("digits", ""))
        if not _DIGITS.fullmatch(digits):
            return f"{plain(digits)!r} are no keys: 0 to 9, *, #, A to D, and w for a pause; at most 64"
        return await self._line.do(SendDigits(call_id=self._line.call_id, digits=digits))

    async def _record(self, arguments: Mapping[str, str]) -> str:
        action = arguments.get("action", "")
        if action not in ("start", "stop"):
            return f"`action` is start or stop, not {plain(action)!r}"
        recordings = self._line.recordings
        return await recordings.turn(action == "start") if recordings else "calls are not recorded here"

    async def _take_booking(self, _: Mapping[str, str]) -> str:
        return ""


class Unreachable(str):
    """Why a destination was not even tried: the agent says so itself, and the model need not."""
