"""The lines for Asterisk and FreePBX: they say what they should, can be read by Asterisk, and are those in `deploy`."""

import json
import re
from pathlib import Path

import pytest

from config.load import SHIPPED, load
from config.schema import Asterisk, AudioSocket, Destination, Settings, Transfers
from supervisor.snippets import NobodyToRing, Snippets, Wishes
from tests.supervisor.stage import REPOSITORY
from tests.supervisor.test_cli import ringmaster

PERSON = Destination(context="from-internal", extension="200")
BOX = Destination(context="ext-local", extension="vmu200")
SETTINGS = Settings(transfers=Transfers(destinations={"box": BOX, "person": PERSON}, voicemail="box"))

LINE = re.compile(
    r"^(?:exten => (?P<extension>[^,]+),| same => )(?P<at>\d+|n|hint)(?:\((?P<label>\w+)\))?,(?P<what>.+)$"
)
"""As pbx/pbx_config.c reads them."""


def read(text: str) -> dict[str, list[tuple[str, str, str]]]:
    """Sections of extensions.conf, each with extension, label and application of every line, hints left out. A line
    that Asterisk could not read is a failure."""
    sections: dict[str, list[tuple[str, str, str]]] = {}
    section = extension = ""
    for raw in text.splitlines():
        line = raw.partition(" ;" if not raw.lstrip().startswith(";") else ";")[0].rstrip()
        if not line.strip():
            continue
        if match := re.match(r"^\[([A-Za-z0-9_-]+)\]$", line):
            section, extension = match[1], ""
            sections.setdefault(section, [])
            continue
        found = LINE.match(line)
        assert found is not None, f"not a line of a dialplan: {raw!r}"
        extension = found["extension"] or extension
        assert section, f"before any section: {raw!r}"
        assert extension, f"`same` before any extension: {raw!r}"
        if found["at"] == "hint":
            continue
        what = found["what"]
        assert re.match(r"^\w+\(.*\)$", what), f"not an application: {what!r}"
        for pair in ("()", "[]", "{}"):
            assert what.count(pair[0]) == what.count(pair[1]), f"unbalanced: {what!r}"
        sections[section].append((extension, found["label"] or "", what))
    return sections


def applications(text: str, section: str) -> list[str]:
    return [what for _, _, what in read(text)[section]]


def uncommented(text: str) -> str:
    """With the extensions that are offered as comments, and the lines that say more of a call."""
    return "\n".join(re.sub(r"^( ?);(?=\[|exten|same| same)", r"\1", line) for line in text.splitlines())


def test_a_caller_reaches_the_agent_and_else_a_person() -> None:
    lines = applications(Snippets(SETTINGS, Wishes(person="PJSIP/200")).plain(), "from-ai-agent")
    assert "Stasis(asterisk-ai-voice-agent)" in lines
    behind = lines[lines.index("Stasis(asterisk-ai-voice-agent)") + 1 :]
    assert [line for line in behind if line.startswith("GotoIf")] == [
        'GotoIf($["${STASISSTATUS}" = "FAILED"]?person)',
        'GotoIf($["${AGENT_STATUS}" = "BUSY"]?person)',
        'GotoIf($["${AGENT_STATUS}" = "FAILED"]?person)',
    ]
    assert behind[-4:] == [
        "Hangup()",
        "Dial(PJSIP/200,30)",
        'ExecIf($["${DIALSTATUS}" != "ANSWER"]?Goto(ext-local,vmu200,1))',
        "Hangup()",
    ]


def test_the_label_that_is_gone_to_is_there() -> None:
    for text in (Snippets(SETTINGS, Wishes()).plain(), Snippets(SETTINGS, Wishes()).direct()):
        for lines in read(text).values():
            wanted = {label for _, _, what in lines for label in re.findall(r"\?(\w+)\)$", what)}
            assert wanted == {label for _, label, _ in lines if label} == {"person"}


def test_without_a_name_the_first_destination_that_is_no_voicemail_rings() -> None:
    assert applications(Snippets(SETTINGS, Wishes()).plain(), "from-ai-agent")[-1] == "Goto(from-internal,200,1)"


def test_somebody_has_to_ring() -> None:
    with pytest.raises(NobodyToRing, match="--person"):
        Snippets(Settings(), Wishes()).plain()


def test_what_is_said_of_a_call_is_said_before_stasis() -> None:
    wishes = Wishes(agent="sales", provider="loopback", profile="wide", early_media=True)
    lines = applications(Snippets(SETTINGS, wishes).plain(), "from-ai-agent")
    before = lines[: lines.index("Stasis(asterisk-ai-voice-agent)")]
    for said in (
        "AI_AGENT=sales",
        "AI_PROVIDER=loopback",
        "AI_AUDIO_PROFILE=wide",
        "AI_EARLY_MEDIA=1",
        "AGENT_STATUS=",
    ):
        assert f"Set({said})" in before
    assert not any(line.startswith("Answer") for line in before), "early media ends with the answer"


def test_what_is_offered_as_a_comment_can_be_read_too() -> None:
    text = uncommented(Snippets(SETTINGS, Wishes()).plain())
    sections = read(text)
    assert sections["from-internal"] == [("200", "", "Dial(PJSIP/200,30)"), ("200", "", "Hangup()")]
    assert sections["ext-local"] == [("vmu200", "", "VoiceMail(200@default,u)"), ("vmu200", "", "Hangup()")]
    assert "Set(AI_AGENT=front-desk)" in [what for _, _, what in sections["from-ai-agent"]]


def test_our_lines_take_no_number_of_the_operators_away() -> None:
    assert set(read(Snippets(SETTINGS, Wishes()).plain())) == {"from-ai-agent"}
    with_extension = Snippets(SETTINGS, Wishes(extension="1000")).plain()
    assert read(with_extension)["from-internal"] == [("1000", "", "Goto(from-ai-agent,s,1)")]


@pytest.mark.parametrize(
    ("audio", "address"),
    [
        (AudioSocket(), "127.0.0.1:8090"),
        (AudioSocket(host="0.0.0.0", port=9000, advertise_host="10.0.0.9"), "10.0.0.9:9000"),
        (AudioSocket(host="::1"), "[::1]:8090"),
        (AudioSocket(host="0.0.0.0"), "ADDRESS-OF-RINGMASTER:8090"),
    ],
)
def test_without_ari_the_audio_comes_to_us(audio: AudioSocket, address: str) -> None:
    settings = Settings(audiosocket=audio, transfers=SETTINGS.transfers)
    lines = applications(Snippets(settings, Wishes()).direct(), "from-ai-agent-direct")
    assert lines[:2] == ["Answer()", f"TryExec(AudioSocket(${{UUID()}},{address}))"]


def test_freepbx_is_told_what_to_click() -> None:
    text = Snippets(SETTINGS, Wishes()).freepbx()
    assert applications(text, "from-ai-agent")[-1] == "Goto(from-internal,200,1)"
    for word in ("Custom Destinations > Add: target from-ai-agent,s,1", "Inbound Routes", "Misc Applications"):
        assert word in text


def test_another_asterisk_has_a_context_and_an_application_of_its_own() -> None:
    settings = Settings(more_asterisks={"branch": Asterisk(app_name="branch-agent")}, transfers=SETTINGS.transfers)
    lines = applications(Snippets(settings, Wishes(), "branch").plain(), "from-ai-agent-branch")
    assert "Stasis(branch-agent)" in lines


def test_https_keeps_plain_http_on_another_port() -> None:
    settings = Settings(asterisk=Asterisk(scheme="https", port=8089, host="pbx.example"))
    text = Snippets(settings, Wishes()).http_conf()
    assert "tlsbindaddr = 0.0.0.0:8089" in text
    assert text.count("bindport") == 1
    assert "bindport = 8088" in text


# -- the command


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("asterisk/extensions.conf", ()),
        ("asterisk/extensions-direct.conf", ("--direct",)),
        ("asterisk/extensions-early-media.conf", ("--early-media",)),
        ("freepbx/extensions_custom.conf", ("--freepbx",)),
    ],
)
def test_what_is_in_deploy_is_what_the_command_prints(file: str, options: tuple[str, ...]) -> None:
    done = ringmaster("dialplan", "--config", str(SHIPPED), *options)
    assert done.returncode == 0
    assert done.stdout == (REPOSITORY / "deploy" / file).read_text(), "ringmaster dialplan > deploy/..."
    assert read(done.stdout)


def test_the_other_files_have_a_new_password_each_time_and_never_the_configured_one(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    text = SHIPPED.read_text().replace("${ASTERISK_ARI_PASSWORD:-}", "the-real-one")
    path.write_text(text.replace("directory: agents", f"directory: {SHIPPED.parent / 'agents'}"))
    printed = [json.loads(ringmaster("dialplan", "--ari", "--json", "--config", str(path)).stdout) for _ in range(2)]
    assert "the-real-one" not in json.dumps(printed)
    passwords = {re.findall(r"^password = (.+)$", files["ari.conf"], re.M)[0] for files in printed}
    assert len(passwords) == 2
    assert min(map(len, passwords)) >= 24
    for name, text in printed[0].items():
        kept = (REPOSITORY / "deploy" / "asterisk" / name).read_text()
        assert re.sub(r"password = .+", "password = choose-a-good-one", text) == kept


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--agent", "nobody"), "front-desk"),
        (("--asterisk", "nowhere"), "nowhere"),
        (("--profile", "none"), "none"),
        (("--person", "PJSIP/200)\nexten => s,1,System(x"), "cannot stand in a dialplan"),
        (("--freepbx", "--direct"), "not allowed with"),
    ],
)
def test_wrong_usage_of_the_command_is_2(options: tuple[str, ...], words: str) -> None:
    done = ringmaster("dialplan", "--config", str(SHIPPED), *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_the_shipped_settings_are_those_of_the_tests() -> None:
    assert "person" in load(SHIPPED).settings.transfers.destinations
