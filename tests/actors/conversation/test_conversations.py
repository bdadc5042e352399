"""What the agent does to a call, on the bus: who is told what, in which order, and what the caller hears of it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.conversation.providers import providers
from actors.conversation.providers.provider import Engagement, NoProvider
from config.agent import Agent, Consulting
from config.grammar import consult_grammar
from config.keeping import Outbound, Recording
from config.schema import Destination, Settings, Transfers, Turns
from config.script import Script
from ipc import actions
from ipc.bus import Refused
from ipc.journal import (
    CallEnded,
    CallStarted,
    Consulted,
    ConsultSaid,
    DigitsPressed,
    Noted,
    ProviderClosed,
    ProviderLost,
    ToolRun,
)
from ipc.messages import CallNote, EndCall, HangUp, Transfer
from ipc.rings import BELLS, Bell
from tests.actors.conversation.desk import CONTROL, Desk

AGENT = Agent(
    name="desk",
    greeting="Hello, {caller_name}.",
    goodbye="Goodbye.",
    trouble="I have to pass you on.",
    unreachable="{destination} is busy.",
    outbound_greeting="This is the desk, {customer}.",
    variables={"customer": "dear customer"},
    consult=Consulting(
        trying="Trying {destination}.", announce="A call from {caller_name}. {reason}", declined="They have no time."
    ),
    tools=(
        "hang_up",
        "transfer",
        "cancel_transfer",
        "voicemail",
        "hold",
        "resume",
        "send_digits",
        "record",
        "answer",
        "set_result",
        "take_booking",
    ),
    transfers=("person", "boss", "careful"),
    script=Script(),
)
SETTINGS = Settings(
    transfers=Transfers(
        destinations={
            "person": Destination(context="from-internal", extension="200"),
            "boss": Destination(context="from-internal", extension="201", mode="attended", title="the boss"),
            "careful": Destination(context="from-internal", extension="202", check=True, title="the doctor"),
            "other": Destination(context="from-internal", extension="203"),
            "box": Destination(context="ext-local", extension="vmu200"),
        },
        voicemail="box",
    ),
    # Frames come as fast as they are written here, so seconds of silence take none.
    turns=Turns(filler_after_ms=0),
)

Scene = Callable[[Desk], Awaitable[None]]


def play(run_dir: Path, scene: Scene, settings: Settings = SETTINGS, agent: Agent = AGENT) -> None:
    async def run() -> None:
        async with Desk(run_dir, settings, agent) as desk:
            await scene(desk)

    asyncio.run(run())


def wants(desk: Desk, tool: str, **arguments: str) -> None:
    """The caller says "go", and the model says "Well." and uses the tool."""
    desk.thinks["go"] = ("Well.", tool, arguments)


async def greeted(desk: Desk, **wanted: Any) -> None:
    await desk.call(**wanted)
    await desk.hears("Hello")


def outcomes(desk: Desk) -> list[str]:
    return [record.outcome for record in desk.records() if isinstance(record, ToolRun)]


def test_the_call_control_that_sent_the_call_is_the_one_that_ends_it(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        wants(desk, "hang_up")
        await greeted(desk)
        assert desk.said == ["Hello, Ada."]
        desk.says("go")
        await desk.told(HangUp)
        assert [type(command) for command in desk.got] == [actions.SetResult, HangUp]
        assert desk.results().items() >= {"AGENT_OUTCOME": "goodbye", "AGENT_TURNS": "1"}.items()
        assert desk.results()["AGENT_SECONDS"].isdecimal()
        await desk.note(EndCall(call_id="c1", cause="hung up"))
        ended = desk.records()[-1]
        assert isinstance(ended, CallEnded) and ended.outcome == "goodbye"

    play(tmp_path, scene)


def test_what_the_script_says_of_the_outcome_stays(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        desk.thinks["book"] = ("Booked.", "set_result", {"outcome": "booked", "day": "Mon\nday", "status": "BUSY"})
        wants(desk, "transfer", destination="person")
        await greeted(desk)
        desk.says("book")
        await desk.told(actions.SetResult)
        await desk.until(lambda: outcomes(desk), "the tool has been run")
        assert desk.results() == {"AGENT_OUTCOME": "booked", "AGENT_DAY": "Mon day"}
        assert outcomes(desk) == ["failed: no names for channel variables: status"]
        await desk.hears("You said failed")
        desk.says("go")
        assert await desk.told(Transfer) == Transfer(call_id="c1", destination="person")
        assert desk.results()["AGENT_OUTCOME"] == "booked"

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("tool", "arguments", "command"),
    [
        ("transfer", {"destination": "person"}, Transfer(call_id="c1", destination="person")),
        ("voicemail", {}, Transfer(call_id="c1", destination="box")),
        ("hold", {}, actions.HoldCaller(call_id="c1", on=True)),
        ("send_digits", {"digits": "1-2 w#"}, actions.SendDigits(call_id="c1", digits="12w#")),
        ("answer", {}, actions.AnswerCall(call_id="c1")),
        ("transfer", {"destination": "boss"}, actions.Consult(call_id="c1", destination="boss")),
    ],
    ids=["blind transfer", "voicemail", "hold", "digits", "answer", "attended transfer"],
)
def test_a_tool_reaches_call_control(tmp_path: Path, tool: str, arguments: dict[str, str], command: Any) -> None:
    async def scene(desk: Desk) -> None:
        wants(desk, tool, **arguments)
        await greeted(desk)
        desk.says("go")
        assert await desk.told(type(command)) == command

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("tool", "arguments", "failure"),
    [
        ("transfer", {"destination": "other"}, "there is no destination 'other' for this agent"),
        ("transfer", {}, "there is no destination '' for this agent"),
        ("cancel_transfer", {}, "no transfer is under way"),
        ("send_digits", {"digits": "1; rm"}, "are no keys"),
        ("record", {"action": "rewind"}, "`action` is start or stop"),
        ("set_result", {"SHELL(rm)": "x"}, "no names for channel variables: SHELL(rm)"),
        ("format_disk", {}, "the agent has no such tool"),
        ("answer", {}, "Asterisk is away"),
    ],
)
def test_what_cannot_be_done_is_told_to_the_model(
    tmp_path: Path, tool: str, arguments: dict[str, str], failure: str
) -> None:
    async def scene(desk: Desk) -> None:
        desk.answers[actions.AnswerCall] = Refused("Asterisk is away")
        wants(desk, tool, **arguments)
        await greeted(desk)
        desk.says("go")
        await desk.until(lambda: outcomes(desk), "the tool has been run")
        assert outcomes(desk)[0].startswith("failed: ") and failure in outcomes(desk)[0]
        await desk.hears(f"You said failed: {tool}")

    play(tmp_path, scene)


def test_an_agent_may_only_use_its_own_tools(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        wants(desk, "transfer", destination="person")
        await greeted(desk)
        desk.says("go")
        await desk.until(lambda: outcomes(desk), "the tool has been run")
        assert outcomes(desk) == ["failed: the agent has no such tool"] and not desk.all(Transfer)

    play(tmp_path, scene, agent=Agent(name="desk", greeting="Hello.", transfers=("person",)))


def test_nobody_is_called_where_nobody_can_answer(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        desk.answers[actions.AskExtension] = actions.ExtensionState(state="BUSY", reachable=False)
        wants(desk, "transfer", destination="careful")
        await greeted(desk)
        desk.says("go")
        await desk.hears("the doctor is busy.")
        assert outcomes(desk) == ["unreachable: BUSY"] and not desk.all(Transfer)
        desk.answers[actions.AskExtension] = Refused("Asterisk does not know")
        desk.says("go")
        assert (await desk.told(Transfer)).destination == "careful"

    play(tmp_path, scene)


# -- an attended transfer


async def asking(desk: Desk) -> None:
    wants(desk, "transfer", destination="boss", reason="It is urgent.")
    await greeted(desk)
    desk.says("go")
    await desk.told(actions.Consult)
    await desk.note(actions.ConsultChanged(call_id="c1", state="asking"))
    await desk.hears("A call from Ada. It is urgent.")


def test_the_boss_takes_the_call(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await asking(desk)
        assert "Trying the boss." in desk.said
        await desk.until(lambda: len(desk.attended) == 2, "the recogniser expects the boss")
        assert desk.attended[1] == consult_grammar(AGENT) != desk.attended[0]
        desk.says("yes please", in_s=5)
        decided = await desk.told(actions.DecideConsult)
        assert decided == actions.DecideConsult(call_id="c1", accepted=True, reason="accepted")
        assert desk.results()["AGENT_OUTCOME"] == "transferred:boss"
        await desk.note(actions.ConsultChanged(call_id="c1", state="joined"))
        await desk.note(EndCall(call_id="c1", cause="transferred to boss"))
        records = desk.records()
        assert [record.state for record in records if isinstance(record, Consulted)] == ["ringing", "asking", "joined"]
        said = [(record.who, record.text) for record in records if isinstance(record, ConsultSaid)]
        assert said == [("agent", "A call from Ada. It is urgent."), ("person", "yes please")]
        ended = records[-1]
        assert isinstance(ended, CallEnded) and ended.outcome == "transferred:boss"

    play(tmp_path, scene)


def test_the_boss_presses_two_and_the_caller_goes_on_with_the_agent(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await asking(desk)
        desk.says("", digit="2")
        assert (await desk.told(actions.DecideConsult)).accepted is False
        await desk.note(actions.ConsultChanged(call_id="c1", state="ended", reason="declined"))
        await desk.hears("They have no time.")
        await desk.until(lambda: len(desk.attended) == 3, "the recogniser expects the caller")
        assert desk.attended[2] == desk.attended[0]
        desk.says("well")
        await desk.hears("You said well.")

    play(tmp_path, scene)


def test_a_decision_that_call_control_cannot_carry_out_leaves_nobody_in_between(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        desk.answers[actions.DecideConsult] = Refused("nobody is being asked to take the call")
        await asking(desk)
        desk.says("", digit="1")
        await desk.hears("I could not reach them.")

    play(tmp_path, scene)


def test_a_successor_goes_on_asking_the_boss(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await asking(desk)
        desk.said.clear()
        await desk.dies()
        await desk.hears("A call from Ada. It is urgent.")
        desk.says("yes", in_s=5)
        assert (await desk.told(actions.DecideConsult)).accepted

    play(tmp_path, scene)


# -- hold and keys


def test_a_successor_takes_the_caller_off_hold_before_it_speaks(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        wants(desk, "hold")
        await greeted(desk)
        desk.says("go")
        await desk.until(lambda: outcomes(desk) == ["done"], "the caller is on hold")
        await desk.dies()
        await desk.until(lambda: len(desk.attended) == 2, "the successor listens")
        desk.says("hello")
        await desk.hears("You said hello.")
        await desk.until(lambda: len(desk.all(actions.HoldCaller)) == 2, "the music ends")
        assert [command.on for command in desk.all(actions.HoldCaller)] == [True, False]

    play(tmp_path, scene)


def test_a_flood_of_keys_is_one_bounded_entry_and_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(desk: Desk) -> None:
        call = await desk.call()
        await desk.hears("Hello")
        pressed = 2000
        for number in range(pressed):
            call.ear.write(bytes(call.rings.payload), captured_ns=0, level=-90.0, speech=False, digit=str(number % 10))
            if number % 500 == 0:
                Bell(call.bells[BELLS.index("ear.conversation")]).ring()
                await asyncio.sleep(0)
        await desk.until(lambda: pressed_in(desk), "the entry is complete")
        (entry,) = pressed_in(desk)
        assert len(entry.digits) == 64 and entry.dropped > 0
        assert len([record for record in caplog.records if "keys too many" in record.getMessage()]) == 1

    play(tmp_path, scene)


def pressed_in(desk: Desk) -> list[DigitsPressed]:
    return [record for record in desk.records() if isinstance(record, DigitsPressed)]


def test_a_caller_who_has_put_us_on_hold_is_left_alone_until_they_are_back(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await greeted(desk)
        await desk.note(actions.CallHeld(call_id="c1", held=True))
        desk.says("music music music")
        await desk.note(actions.CallHeld(call_id="c1", held=False))
        desk.says("hello")
        await desk.hears("You said hello.")
        assert "You said music music music." not in desk.said

    play(tmp_path, scene)


# -- which provider


def test_a_provider_that_is_not_there_is_told_of_once_and_the_default_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(desk: Desk) -> None:
        await greeted(desk, provider="gemini")
        (noted,) = [record for record in desk.records() if isinstance(record, Noted)]
        known = "loopback, speaker, embedded"
        assert noted.detail == {"wanted": "gemini", "instead": "embedded", "known": known}
        (warned,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert "gemini" in warned.getMessage() and known in warned.getMessage()

    play(tmp_path, scene)


@pytest.mark.parametrize(("wanted", "provider"), [("speaker", "speaker"), ("embedded", ""), ("", "")])
def test_a_call_gets_the_provider_that_it_asks_for(tmp_path: Path, wanted: str, provider: str) -> None:
    async def scene(desk: Desk) -> None:
        await desk.call(provider=wanted)
        started = desk.records()[0]
        assert isinstance(started, CallStarted)
        assert (started.provider, started.pipeline) == (provider, "" if provider else "embedded")
        assert started.control == CONTROL

    play(tmp_path, scene)


class Failing:
    """A provider that fails at once, or as soon as it hears something."""

    at_once = False

    def __init__(self, engagement: Engagement) -> None:
        self._engagement = engagement

    async def open(self, *, taken_over: bool) -> None:
        if self.at_once:
            raise NoProvider("no account")

    def hear(self) -> None:
        self._engagement.give_up("the session is gone")

    async def close(self, cause: str) -> dict[str, int]:
        return {}


@pytest.mark.parametrize("at_once", [True, False])
def test_a_call_goes_on_with_the_pipeline_when_its_provider_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    monkeypatch.setattr(providers, "load", lambda name: Failing)
    monkeypatch.setattr(Failing, "at_once", at_once)

    async def scene(desk: Desk) -> None:
        await desk.call(provider="loopback")
        desk.says("well")
        await desk.hears("Hello, Ada.")
        desk.says("well")
        await desk.hears("You said well.")
        await desk.dies()
        await desk.until(lambda: len(desk.attended) == 2, "the successor listens")
        desk.says("again")
        await desk.hears("You said again.")
        kinds = [type(record) for record in desk.records() if isinstance(record, ProviderClosed | ProviderLost)]
        assert kinds == [ProviderClosed, ProviderLost] and not desk.got

    play(tmp_path, scene)


# -- nothing is left to go on with


@pytest.mark.parametrize("role", ["stt", "llm", "tts"])
def test_the_caller_is_told_if_there_is_a_voice_and_sent_on(tmp_path: Path, role: str) -> None:
    async def scene(desk: Desk) -> None:
        await greeted(desk)
        await desk.gives_up(role)
        await desk.gives_up(role)
        told = role != "tts"
        assert await desk.told(Transfer) == Transfer(call_id="c1", destination="", announced=told)
        assert ("I have to pass you on." in desk.said) is told
        assert desk.results()["AGENT_OUTCOME"] == "failed" and len(desk.all(Transfer)) == 1

    play(tmp_path, scene)


def test_a_successor_that_finds_no_recogniser_sends_the_caller_on(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await greeted(desk)
        desk.no_recogniser = True
        await desk.dies()
        assert await desk.told(Transfer) == Transfer(call_id="c1", destination="", announced=True)

    play(tmp_path, scene)


def test_a_successor_that_cannot_get_at_the_call_sends_the_caller_on(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await greeted(desk)
        await desk.service.no_supervisor()
        await desk.dies()
        assert await desk.told(Transfer) == Transfer(call_id="c1", destination="")

    play(tmp_path, scene)


def test_a_caller_who_cannot_even_be_sent_on_is_not_left_in_silence(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        desk.answers[Transfer] = Refused("there is no such place")
        await greeted(desk)
        await desk.gives_up("tts")
        assert "there is no such place" in (await desk.told(HangUp)).reason

    play(tmp_path, scene)


# -- calls that we make


def test_the_agent_waits_until_a_person_has_answered_and_says_so_to_the_dialplan(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.call(outbound=True, variables={"CUSTOMER": "Ms. Byron"})
        desk.says("tones")
        await desk.note(actions.CallAnswered(call_id="c1"))
        assert not desk.said
        desk.says("hello")
        await desk.hears("This is the desk, Ms. Byron.")
        await desk.told(actions.SetResult)
        assert desk.results() == {"AGENT_ANSWERED_BY": "person"}

    play(tmp_path, scene)


def test_a_machine_is_hung_up_on_where_that_is_wanted(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.call(outbound=True)
        await desk.note(actions.CallAnswered(call_id="c1"))
        assert "unknown" in (await desk.told(HangUp)).reason
        assert desk.results()["AGENT_ANSWERED_BY"] == "unknown" and not desk.said
        assert desk.results()["AGENT_OUTCOME"] == "no_person_unknown"

    hang_up = Outbound(detect_s=1.0, undetected="hang_up")
    play(tmp_path, scene, Settings(outbound=hang_up))


# -- recordings


def test_asterisk_records_once_there_is_a_bridge(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        wants(desk, "record", action="stop")
        await greeted(desk)
        await desk.note(CallNote(call_id="c1", what="bridged"))
        assert await desk.told(actions.RecordCall) == actions.RecordCall(call_id="c1", on=True)
        desk.says("go")
        await desk.until(lambda: len(desk.all(actions.RecordCall)) == 2, "it is stopped")
        assert desk.all(actions.RecordCall)[1].on is False

    play(tmp_path, scene, Settings(recording=Recording(calls="asterisk")))


def test_the_agent_records_at_the_wire(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        wants(desk, "record", action="start")
        await greeted(desk)
        desk.says("go")
        await desk.until(lambda: outcomes(desk) == ["done"], "the recording has begun")
        await desk.note(EndCall(call_id="c1", cause="hung up"))
        await desk.until(lambda: list((tmp_path / "tapes").glob("*.wav")), "there is a file")
        assert not desk.all(actions.RecordCall)

    play(tmp_path, scene, Settings(recording=Recording(directory=str(tmp_path / "tapes"))))


# -- too many


def test_refusals_for_want_of_speed_are_counted_by_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(desk: Desk) -> None:
        monkeypatch.setattr(desk.conversations._pressure, "too_high", lambda now_ns: True)
        with pytest.raises(Refused, match="answers take longer") as refused:
            await desk.call()
        assert refused.value.busy
        await desk.until(lambda: desk.refused == ["slow answers"], "the supervisor counts it")

    play(tmp_path, scene)
