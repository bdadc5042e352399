"""Dialplans that reach people, written as an operator writes them."""

from __future__ import annotations

import pytest

from bench.asterisk import Asterisk, Dial, Dialplan, Hangup, Phone, Queue, VoiceMail, Where
from bench.asterisk.conf import Plan, Unreadable, read
from bench.asterisk.lines import lines_at
from bench.asterisk.sounds import tone
from tests.bench.asterisk.client import APP, Client, in_loop, within

AGENT = """\
; callers come in here
[inbound]
exten => s,1,NoOp(${CALLERID(num)} for the agent)       ; a comment
 same => n,Set(AI_AGENT=front-desk)
 same => n,Stasis(agent)
 same => n,GotoIf($["${STASISSTATUS}" = "FAILED"]?person)
 same => n,GotoIf($["${AGENT_STATUS}" = "BUSY" | "${AGENT_STATUS}" = "FAILED"]?person)
 same => n,Hangup()
 same => n(person),Dial(PJSIP/100&PJSIP/200,30)
 same => n,ExecIf($["${DIALSTATUS}" != "ANSWER"]?VoiceMail(100@default,u):Hangup(16))
 same => n,Hangup()
exten => h,1,Set(AFTERWARDS=${AGENT_STATUS}${DIALSTATUS})
include => people

[people]
exten => _1XX,hint,PJSIP/100
exten => 100,hint,PJSIP/100
exten => _1XX,1,Dial(PJSIP/${EXTEN},20)
 same => n,Hangup()
"""


def asterisk_of(plan: Plan) -> Asterisk:
    asterisk = Asterisk(plan.dialplan, hints=plan.hints)
    asterisk.register("100")
    asterisk.register("200")
    return asterisk


def apps(phone: Phone) -> list[str]:
    return [where.app for where in phone.path]


@in_loop
async def test_with_nobody_at_the_agent_a_person_is_rung_and_talks_with_the_caller() -> None:
    plan = read(AGENT)
    async with asterisk_of(plan) as asterisk:
        caller = asterisk.dial("s")
        for place, name in enumerate(("100", "200")):
            person = await within(asterisk.station(name).calls.get())
            assert not person.answered.is_set(), place
        assert caller.ringing
        person.pick_up()
        await within(caller.answered.wait())
        heard = person.listen()
        await caller.speak(tone(440, 0.1))
        while not any((await within(heard.get())).pcm):
            pass
        await caller.press("5")
        assert person.digits == "5"
        person.hang_up()
        await within(caller.ended.wait())
        assert caller.variables["DIALSTATUS"] == "ANSWER"
        assert caller.variables["AFTERWARDS"] == "ANSWER"
        assert apps(caller) == ["NoOp", "Set", "Stasis", "GotoIf", "Dial", "Set"]
        assert caller.path[-1] == Where("inbound", "h", 1, "Set", "AFTERWARDS=ANSWER")
        assert asterisk.channels == []


@pytest.mark.parametrize(("status", "rings"), [("BUSY", True), ("FAILED", True), ("DONE", False)])
@in_loop
async def test_what_the_agent_says_of_itself_decides_where_the_call_goes(status: str, rings: bool) -> None:
    async with asterisk_of(read(AGENT)) as asterisk, Client(asterisk) as client:
        caller = asterisk.dial("s", caller_id="5551234")
        await client.event("StasisStart")
        assert caller.path[0].data == "5551234 for the agent"
        await client.post(f"/channels/{caller.id}/variable", variable="AGENT_STATUS", value=status)
        await client.post(f"/channels/{caller.id}/continue")
        if rings:
            await within(asterisk.station("100").calls.get())
            caller.hang_up()
        await within(caller.ended.wait())
        assert ("Dial" in apps(caller)) is rings
        assert caller.variables["AFTERWARDS"] == (f"{status}CANCEL" if rings else status)


@in_loop
async def test_continue_finds_a_label() -> None:
    async with asterisk_of(read(AGENT)) as asterisk, Client(asterisk) as client:
        caller = asterisk.dial("s")
        await client.event("StasisStart")
        status, body = await client.request("POST", f"/channels/{caller.id}/continue", label="nowhere")
        assert (status, body) == (404, {"message": "Requested label can not be found"})
        await client.post(f"/channels/{caller.id}/continue", label="person")
        await within(asterisk.station("100").calls.get())


@pytest.mark.parametrize(
    ("cause", "status"), [(17, "BUSY"), (21, "NOANSWER"), (34, "CONGESTION"), (19, "NOANSWER"), (20, "CHANUNAVAIL")]
)
@in_loop
async def test_everybody_who_refuses_leaves_a_status_and_the_caller_a_message(cause: int, status: str) -> None:
    async with asterisk_of(read(AGENT)) as asterisk:
        for name in ("100", "200"):
            asterisk.station(name).refuses_with = cause
        caller = asterisk.dial("s")
        await within(caller.reaches("inbound", "s", 8))
        await within(caller.media_started.wait())
        await caller.speak(tone(440, 0.2))
        await caller.press("#")
        await within(caller.ended.wait())
        assert caller.variables["DIALSTATUS"] == status
        assert caller.variables["VMSTATUS"] == "SUCCESS"
        message = asterisk.mailboxes["100"][0]
        assert any(message.sound.pcm)


@in_loop
async def test_a_person_who_does_not_answer_in_time() -> None:
    dialplan: Dialplan = {"inbound": {"1": [Dial("PJSIP/100", 0.05), Hangup(19)]}}
    async with Asterisk(dialplan) as asterisk:
        station = asterisk.register("100")
        caller = asterisk.dial("1")
        rung = await within(station.calls.get())
        await within(rung.ended.wait())
        await within(caller.ended.wait())
        assert caller.variables["DIALSTATUS"] == "NOANSWER"
        assert caller.cause == 19


@in_loop
async def test_a_queue_rings_its_members_in_order_and_gives_up_in_time() -> None:
    queue = Queue("support", ("PJSIP/100", "PJSIP/200"), seconds=0.3, member_rings_s=0.1)
    dialplan: Dialplan = {"inbound": {"1": [queue, VoiceMail("1")], "2": [Queue("empty"), Hangup()]}}
    async with Asterisk(dialplan) as asterisk:
        first, second = asterisk.register("100"), asterisk.register("200")
        caller = asterisk.dial("1")
        rung = await within(first.calls.get())
        await within(rung.ended.wait())
        await within(second.calls.get())
        await within(caller.reaches("inbound", "1", 2))
        assert caller.variables["QUEUESTATUS"] == "TIMEOUT"
        caller.hang_up()

        again = asterisk.dial("1")
        while not first.calls.empty():
            first.calls.get_nowait()
        (await within(first.calls.get())).pick_up()
        await within(again.answered.wait())

        nobody = asterisk.dial("2")
        await within(nobody.ended.wait())
        assert nobody.variables["QUEUESTATUS"] == "JOINUNAVAIL"


@in_loop
async def test_hints_tell_the_state_of_an_extension() -> None:
    async with asterisk_of(read(AGENT)) as asterisk, Client(asterisk) as client:
        caller = asterisk.dial("s")
        await client.event("StasisStart")

        async def state(extension: str) -> str:
            reply = await client.get(f"/channels/{caller.id}/variable", variable=f"EXTENSION_STATE({extension})")
            return str(reply["value"])

        assert await state("100@people") == "NOT_INUSE"
        assert await state("200@people") == "UNKNOWN"
        await client.post("/channels/out", endpoint="PJSIP/100", app=APP)
        rung = await within(asterisk.station("100").calls.get())
        assert await state("100@people") == "RINGING"
        rung.pick_up()
        await client.event("StasisStart", channel="out")
        assert await state("100@people") == "INUSE"
        asterisk.station("100").state = "ONHOLD"
        assert await state("100@people") == "ONHOLD"


@in_loop
async def test_tryexec_survives_what_would_hang_up() -> None:
    plan = read(
        "[inbound]\n"
        "exten => 1,1,Answer()\n"
        " same => n,TryExec(AudioSocket(${UUID()},127.0.0.1:1))\n"
        ' same => n,GotoIf($["${TRYSTATUS}" = "FAILED"]?person)\n'
        " same => n,Hangup()\n"
        " same => n(person),TryExec(Nonsense())\n"
        " same => n,Hangup(17)\n"
    )
    async with Asterisk(plan.dialplan) as asterisk:
        caller = asterisk.dial("1")
        await within(caller.reaches("inbound", "1", 6))
        await within(caller.ended.wait())
        assert caller.variables["TRYSTATUS"] == "NOAPP"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("exten => 1,1,Answer()", "line 1, 'exten => 1,1,Answer()': neither a context"),
        ("[a]\nexten => 1,1,Nonsense()", "no application 'Nonsense'"),
        ("[a]\nexten => 1,2,Answer()", "priority 2 does not follow 0"),
        ("[a]\n same => n,Answer()", "'n' is no priority"),
        ("[a]\nexten => 1,x,Answer()", "'x' is no priority"),
    ],
)
def test_a_line_that_nobody_can_read_is_named(text: str, says: str) -> None:
    with pytest.raises(Unreadable) as error:
        read(text)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("exten", "lines"), [("100", 2), ("150", 2), ("1500", 0), ("0201", 1), ("+49", 1), ("x", 0), ("7a", 1)]
)
def test_patterns_take_the_extensions_they_describe(exten: str, lines: int) -> None:

    plan = read(
        "[a]\nexten => _1XX,1,Answer()\n same => n,Hangup()\nexten => _[+0].,1,Hangup()\nexten => _7!,1,Hangup()\n"
    )
    assert len(lines_at(plan.dialplan, "a", exten)) == lines


@in_loop
async def test_a_local_call_hears_of_ringing_and_busy() -> None:
    plan = read(
        "[people]\nexten => 1,1,Ringing()\n same => n,Wait(30)\nexten => 2,1,Busy(1)\nexten => 3,1,Congestion(1)\n"
        "exten => 4,1,Progress()\n same => n,Wait(30)\nexten => 5,1,Dial(PJSIP/100,20)\n"
    )
    async with asterisk_of(plan) as asterisk, Client(asterisk) as client:
        for exten, status in (("1", "RINGING"), ("2", "BUSY"), ("3", "CONGESTION"), ("4", "PROGRESS")):
            before = len(client.events)
            await client.post(f"/channels/l{exten}", endpoint=f"Local/{exten}@people/n", app=APP)
            await client.event("Dial", dialstatus=status)
            found = [event["dialstatus"] for event in client.events[before:] if event["type"] == "Dial"]
            assert found == ["", status]
        await client.post("/channels/l5", endpoint="Local/5@people/n", app=APP)
        person = await within(asterisk.station("100").calls.get())
        await client.event("Dial", dialstatus="RINGING")
        person.pick_up()
        await client.event("StasisStart", channel="l5")
        await client.delete("/channels/l5")
        await within(person.ended.wait())
