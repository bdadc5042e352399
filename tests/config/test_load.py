"""A configuration is loaded whole or refused whole, and a refusal says where to look and what to write."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.decode import Decoder
from config.load import SHIPPED, load, load_agent
from config.problem import ConfigError, Key
from config.schema import Settings
from config.show import shown
from config.source import read

AGENT = "name: front-desk\ngreeting: Hello.\nscript: {}\n"


def configuration(folder: Path, settings: str = "", **agents: str) -> Path:
    """Writes the settings and agents (one `front-desk` where none is given); the settings' path."""
    (folder / "agents").mkdir()
    for name, text in (agents or {"front_desk": AGENT}).items():
        (folder / "agents" / f"{name}.yaml").write_text(text, encoding="utf-8")
    path = folder / "ai-agent.yaml"
    path.write_text(settings, encoding="utf-8")
    return path


def told(path: Path) -> list[str]:
    """What is told of the mistakes, without the folder."""
    with pytest.raises(ConfigError) as refusal:
        load(path)
    return [str(problem).replace(f"{path.parent}/", "") for problem in refusal.value.problems]


def test_the_configuration_that_ships_is_the_defaults_plus_a_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASTERISK_HOST", "ASTERISK_ARI_USERNAME", "ASTERISK_ARI_PASSWORD", "AUDIOSOCKET_HOST", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    settings = load(SHIPPED).settings
    assert settings == Settings(transfers=settings.transfers)
    assert list(settings.transfers.destinations) == ["person"]


def test_the_file_that_ships_shows_every_key() -> None:
    decoder = Decoder(read(SHIPPED))
    decoder.decode(Settings)
    keys = {key for key in keys_of(shown(load(SHIPPED))["settings"]) if key != ("transfers", "on_failure")}
    assert keys - decoder.nodes.keys() == set()


def keys_of(value: object, key: Key = ()) -> Iterator[Key]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from keys_of(inner, (*key, name))
    else:
        yield key


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    config = load(configuration(tmp_path))
    assert config.settings == Settings()
    assert config.agent.greeting == "Hello."


def test_a_section_whose_keys_are_all_commented_out_means_its_defaults(tmp_path: Path) -> None:
    assert load(configuration(tmp_path, "turns:\n  # end_silence_ms: 300\n")).settings == Settings()


def test_settings_have_types(tmp_path: Path) -> None:
    text = """
turns: {end_silence_ms: 350, barge_in: {enabled: no}}
actors: {stt: {cores: [2, 3]}, restart: {period_s: 2.5}}
"""
    settings = load(configuration(tmp_path, text)).settings
    assert settings.turns.end_silence_ms == 350
    assert settings.turns.barge_in.enabled is False
    assert settings.actors.stt.cores == (2, 3)
    assert settings.actors.stt.nice == 5
    assert settings.actors.restart.period_s == 2.5


MISTAKES = [
    (
        "a key that does not exist",
        "audiosocket:\n  prot: 8090\n",
        "2:3: audiosocket.prot: there is no such key; did you mean `port`?",
    ),
    (
        "a key that resembles none",
        "run:\n  xyz: 1\n",
        "2:3: run.xyz: there is no such key; known here: `directory`, `log_level`.",
    ),
    (
        "a number out of range",
        "audio:\n  priority: 100\n",
        "2:13: audio.priority: this must be a whole number from 0 to 99, but is '100'.",
    ),
    (
        "a number that is none",
        "vad: {margin_db: .nan}",
        "1:18: vad.margin_db: this must be a number from 0 to 40, but is '.nan'.",
    ),
    (
        "a text where yes or no is wanted",
        "audiosocket: {direct_calls: maybe}",
        "1:29: audiosocket.direct_calls: this must be true or false, but is 'maybe'.",
    ),
    (
        "a word that is not among the choices",
        "audiosocket: {format: slin61}",
        "1:23: audiosocket.format: this must be `auto`, `slin` or `slin16`, but is 'slin61'; did you mean `slin16`?",
    ),
    (
        "a list where a text is wanted",
        "asterisk: {host: [a]}",
        "1:18: asterisk.host: this must be text that is not empty, but is a list; "
        "a text that begins with { or [ needs quotes.",
    ),
    ("a text where a section is wanted", "turns: fast", "1:8: turns: this must be a section, but is a single value."),
    (
        "one bad item of a list",
        "actors: {llm: {cores: [0, x]}}",
        "1:27: actors.llm.cores[1]: this must be a whole number from 0 to 1023, but is 'x'.",
    ),
    (
        "neither of two kinds",
        "actors: {llm: {cores: all}}",
        "1:23: actors.llm.cores: this must be a list (each a whole number from 0 to 1023), `any` or `auto`, "
        "but is 'all'.",
    ),
    (
        "a missing key",
        "transfers: {destinations: {a: {context: b}}}",
        "1:31: transfers.destinations.a.extension: this key is missing; "
        "add `extension`, which must be text that is not empty.",
    ),
    (
        "an engine that does not exist",
        "pipelines: {embedded: {stt: pocketsfinx, llm: scripted, tts: espeak}}",
        "1:29: pipelines.embedded.stt: this must be `gateway`, `pocketsphinx`, `sherpa_onnx` or `vosk`"
        ", but is 'pocketsfinx'; did you mean `pocketsphinx`?",
    ),
    (
        "a pipeline that does not exist",
        "active_pipeline: embeded",
        "1:18: active_pipeline: there is no pipeline `embeded`; did you mean `embedded`?",
    ),
    (
        "an agent that does not exist",
        "agents: {default_agent: front-dsk}",
        "1:25: agents.default_agent: there is no agent `front-dsk`; did you mean `front-desk`?",
    ),
    (
        "a key that is there twice",
        "audio:\n  warm: 1\n  warm: 2\n",
        "3:3: audio.warm: this key is already set on line 2; remove one of the two.",
    ),
    (
        "a variable that is not set",
        "asterisk: {password: '${RINGMASTER_NOT_SET}'}",
        "1:22: asterisk.password: the environment variable `RINGMASTER_NOT_SET` is not set; "
        "set it, or write `${RINGMASTER_NOT_SET:-default}`.",
    ),
    (
        "a variable that is not closed",
        "asterisk: {host: '${HOST'}",
        "1:18: asterisk.host: `${` begins a variable, so write `${NAME}` or `${NAME:-default}`, "
        "or `$${` for a plain `${`.",
    ),
]


@pytest.mark.parametrize(("text", "message"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_a_mistake_is_told_with_its_place_and_a_remedy(tmp_path: Path, text: str, message: str) -> None:
    assert told(configuration(tmp_path, text)) == [f"ai-agent.yaml:{message}"]


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    path = configuration(tmp_path, "audio: {warm: x}\nturns: {max_turn_s: 0}\n", one="name: One\n", two="greting: Hi\n")
    assert [line.split(": ")[0:2] for line in told(path)] == [
        ["agents/one.yaml:1:1", "greeting"],
        ["agents/one.yaml:1:7", "name"],
        ["agents/two.yaml:1:1", "greeting"],
        ["agents/two.yaml:1:1", "greting"],
        ["agents/two.yaml:1:1", "name"],
        ["ai-agent.yaml:1:15", "audio.warm"],
        ["ai-agent.yaml:2:21", "turns.max_turn_s"],
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("audio: [", "1:9"),
        ("a: b: c", "1:5"),
        ("a: 1\n\tb: 2", "2:1"),
        ("a: \x00", "1:1"),
        ("--- {}\n--- {}", "2:1"),
        ('a: "\\UFFFFFFFF"', "1:1"),
        ("[" * 5000, "1:1"),
    ],
    ids=["open", "colon", "tab", "zero", "two documents", "no such character", "deep"],
)
def test_what_is_not_yaml_is_refused_where_it_goes_wrong(tmp_path: Path, text: str, place: str) -> None:
    (message,) = told(configuration(tmp_path, text))
    assert message.startswith(f"ai-agent.yaml:{place}: this is not YAML")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "none.yaml") == ["none.yaml:1:1: the file cannot be read: No such file or directory."]


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    path.write_bytes("# fine\nasterisk: {username: müller}\n".encode("latin-1"))
    assert told(path) == ["ai-agent.yaml:2:1: the file is not UTF-8 text; save it as UTF-8."]


def test_a_folder_of_agents_that_is_not_there_is_told(tmp_path: Path) -> None:
    (message,) = told(configuration(tmp_path, "agents: {directory: people}"))
    assert message == (
        "ai-agent.yaml:1:21: agents.directory: there is no folder people; make it, with one YAML file per agent."
    )


def test_two_agents_of_one_name_are_told(tmp_path: Path) -> None:
    (message,) = told(configuration(tmp_path, one=AGENT, two=AGENT))
    assert message.endswith("two.yaml:1:7: name: the agent `front-desk` is already in agents/one.yaml; "
                            "rename one of the two.")  # fmt: skip


def test_an_agent_without_a_script_cannot_be_played(tmp_path: Path) -> None:
    (message,) = told(configuration(tmp_path, front_desk="name: front-desk\ngreeting: Hello.\n"))
    assert "script: the active pipeline's `scripted` plays an agent's script; give this one a `script`." in message


class TestVariables:
    """`${VAR}` and `${VAR:-default}`."""

    def test_the_environment_fills_them(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ASTERISK_PORT", "8089")
        monkeypatch.setenv("ASTERISK_NAME", "pbx")
        text = "asterisk: {port: '${ASTERISK_PORT}', host: '${ASTERISK_NAME}.${DOMAIN:-example.org}'}"
        asterisk = load(configuration(tmp_path, text)).settings.asterisk
        assert (asterisk.port, asterisk.host) == (8089, "pbx.example.org")

    def test_the_default_stands_in_for_an_empty_one_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RUN_LEVEL", "")
        path = configuration(tmp_path, "run:\n  log_level: ${RUN_LEVEL:-debug}\n")
        assert load(path).settings.run.log_level == "debug"

    def test_two_dollars_make_a_plain_one(self, tmp_path: Path) -> None:
        path = configuration(tmp_path, "asterisk: {username: '$${x} $5'}")
        assert load(path).settings.asterisk.username == "${x} $5"

    def test_a_bad_value_names_its_variable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "80x")
        (message,) = told(configuration(tmp_path, "asterisk:\n  port: ${PORT}\n"))
        assert message.endswith("this must be a whole number from 1 to 65535, but is '80x' (from `${PORT}`).")


def test_an_agent_can_be_loaded_by_itself(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    assert load_agent(path.parent / "agents" / "front_desk.yaml").name == "front-desk"
