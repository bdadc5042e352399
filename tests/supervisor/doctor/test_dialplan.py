"""What `dialplan show` says of the way to the agent."""

from pathlib import Path

import pytest

from config.schema import Asterisk, Destination, Settings, Transfers
from supervisor.doctor import dialplan
from supervisor.doctor.console import Console
from supervisor.doctor.dialplan import Step
from supervisor.doctor.findings import Subject
from tests.supervisor.doctor.ward import APP, SHOWN, console, play

PBX, PORT = Asterisk(), 8090
SUBJECT = Subject("Dialplan", "dialplan")


def test_every_line_is_read() -> None:
    steps = dialplan.steps(SHOWN)
    assert steps[1] == Step("inbound", "1000", 1, "NoOp", "call from ${CALLERID(num)}")
    assert steps[5] == Step("inbound", "1000", 5, "Dial", "PJSIP/100,30"), "a line with a label"
    assert [str(step) for step in steps if step.application == "Echo"] == ["1003@inbound"]
    assert len(steps) == 10


def test_lines_that_modules_register_are_read() -> None:
    text = """[ Context '__hook__' created by 'func_periodic_hook' ]
  'beep' (CID match '') =>  1. Answer()                                   [func_periodic_hook]
"""
    assert dialplan.steps(text) == [Step("__hook__", "beep", 1, "Answer", "")]


def test_the_way_in_is_found_and_asterisks_own_does_not_count() -> None:
    doors = dialplan.entrances(dialplan.steps(SHOWN), PBX, PORT)
    assert [str(door) for door in doors] == ["1000@inbound", "1001@inbound"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"1. Stasis({APP})", True),
        (f"1. Stasis({APP},arguments)", True),
        (f"1. Stasis({APP}-two)", False),
        ("1. AudioSocket(${UUID()},127.0.0.1:8090)", True),
        ("1. TryExec(AudioSocket(${UUID()},127.0.0.1:8090))", True),
        ("1. AudioSocket(${UUID()},127.0.0.1:9000)", False),
        ("1. Dial(PJSIP/100,30)", False),
    ],
)
def test_what_leads_to_us(line: str, found: bool) -> None:
    text = f"[ Context 'in' created by 'pbx_config' ]\n  '1' =>            {line}       [extensions.conf:1]\n"
    assert bool(dialplan.entrances(dialplan.steps(text), PBX, PORT)) is found


def test_an_extension_that_hangs_up_behind_stasis_rings_nobody() -> None:
    steps = dialplan.steps(SHOWN)
    bare = dialplan.without_fallback(steps, dialplan.entrances(steps, PBX, PORT))
    assert [str(step) for step in bare] == ["1001@inbound"]


def test_a_dialplan_that_leads_here_is_fine_but_for_the_fallback(tmp_path: Path) -> None:
    async def scene() -> None:
        found = await dialplan.reachable(Console([console(tmp_path)]), PBX, Settings(), SUBJECT)
        assert [(one.check, one.level) for one in found] == [
            ("dialplan.dialplan", "ok"),
            ("dialplan.dialplan.fallback", "warning"),
        ]

    play(scene)


def test_a_dialplan_that_leads_elsewhere_is_told_with_the_remedy(tmp_path: Path) -> None:
    async def scene() -> None:
        program = console(tmp_path, SHOWN.replace(APP, "another-app"))
        (found,) = await dialplan.reachable(Console([program]), PBX, Settings(), SUBJECT)
        assert found.level == "warning"
        assert "ringmaster dialplan" in found.remedy
        assert found.evidence == "4 extensions"

    play(scene)


@pytest.mark.parametrize("program", ["/no/such/program", "/bin/false"])
def test_what_cannot_be_known_is_said(program: str) -> None:
    async def scene() -> None:
        asked = None if program.endswith("false") else Console([program])
        (found,) = await dialplan.reachable(asked, PBX, Settings(), SUBJECT)
        assert found.level == "advice"
        assert f"Stasis({APP}" in found.remedy

    play(scene)


PERSON = Destination(context="people", extension="100")
SETTINGS = Settings(
    transfers=Transfers(destinations={"person": PERSON}, on_failure=Destination(context="people", extension="9")),
)


@pytest.mark.parametrize(
    ("person", "failure", "levels"),
    [
        (True, True, ["ok"]),
        (False, True, ["warning", "ok"]),
        (True, False, ["error", "ok"]),
        (None, True, ["advice", "ok"]),
        (None, None, ["advice"]),
    ],
)
def test_destinations_that_are_not_there(person: bool | None, failure: bool | None, levels: list[str]) -> None:
    exists = {"transfers.destinations.person": person, "transfers.on_failure": failure}
    found = dialplan.destination_findings(exists, SETTINGS, SUBJECT)
    assert [finding.level for finding in found] == levels


def test_a_voicemail_that_is_no_destination_is_told() -> None:
    settings = Settings(transfers=Transfers(destinations={"person": PERSON}, voicemail="box"))
    found = dialplan.destination_findings({"transfers.destinations.person": True}, settings, SUBJECT)
    assert [finding.check for finding in found if finding.level == "warning"] == ["dialplan.destination.voicemail"]


@pytest.mark.parametrize(
    ("endpoint", "context"),
    [("Local/{number}@from-internal", "from-internal"), ("Local/{number}@out/n", "out"), ("PJSIP/{number}@trunk", "")],
)
def test_the_context_of_the_agents_own_calls(endpoint: str, context: str) -> None:
    settings = Settings()
    outbound = type(settings.outbound)(endpoint=endpoint)
    assert dialplan.outbound_context(Settings(outbound=outbound)) == context
