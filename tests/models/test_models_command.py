"""`ringmaster models` as an operator runs it: real processes, a real server, the tiny models as content."""

import asyncio
import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from config.load import SHIPPED, load
from tests.models import mirrors
from tests.models.mirrors import Mirror, lying, serving

TINY = Path(__file__).parents[2] / "models" / "tiny"
NOWHERE = "https://models.invalid"


def zipped(folder: Path) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for path in sorted(folder.rglob("*")):
            opened.write(path, f"ears/{path.relative_to(folder)}")
    return out.getvalue()


def contents() -> dict[str, bytes]:
    return {
        "ears.zip": zipped(TINY / "vosk"),
        "brain.gguf": (TINY / "llm" / "front-desk-tiny.gguf").read_bytes(),
        "voice.onnx": (TINY / "voice" / "en_US-tiny.onnx").read_bytes(),
        "voice.onnx.json": (TINY / "voice" / "en_US-tiny.onnx.json").read_bytes(),
    }


def model(role: str, engine: str, kind: str, there: dict[str, bytes], *names: str) -> dict[str, Any]:
    files = [
        {
            "url": f"{NOWHERE}/{name}",
            "bytes": len(there[name]),
            "sha256": hashlib.sha256(there[name]).hexdigest(),
            "path": f"{role}/{name}",
        }
        for name in names
    ]
    name = names[0].partition(".")[0]
    return {
        "name": name, "role": role, "engine": engine, "type": kind, "files": files, "licence": "MIT", "memory_mb": 100,
        "params_m": 1, "notes": "made for tests",
    }  # fmt: skip


def registry(there: dict[str, bytes]) -> str:
    """Of one tier and one language, whose files nobody has at their addresses."""
    tier = {
        "description": "any machine",
        "requirements": {"cores": 1, "memory_mb": 100},
        "expectations": {"answer_s": 1.0, "calls": 1, "basis": "estimated", "note": "Guessed."},
        "models": {"stt": "small", "llm": "brain", "tts": "medium"},
    }
    language = {"title": "English", "stt": {"small": "ears"}, "tts": {"medium": "voice"}}
    models = [
        model("stt", "vosk", "zip", there, "ears.zip"),
        model("llm", "llama_cpp", "file", there, "brain.gguf"),
        model("tts", "piper", "files", there, "voice.onnx", "voice.onnx.json"),
    ]
    return json.dumps({"tiers": {"ANY": tier}, "languages": {"en-us": language}, "models": models})


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Operator:
    """Works in `folder`; the models go to `folder`/state/models."""

    folder: Path
    mirror: Mirror

    @property
    def models(self) -> Path:
        return self.folder / "state" / "models"

    async def begins(self, *words: str) -> asyncio.subprocess.Process:
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        environment |= {"STATE_DIRECTORY": str(self.folder / "state"), "PYTHONPATH": str(TINY.parent.parent)}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "supervisor.cli", "models", *words, "--registry", str(self.folder / "registry.json"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=self.folder, env=environment,
        )  # fmt: skip

    async def says(self, *words: str) -> Said:
        process = await self.begins(*words)
        async with asyncio.timeout(180):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    async def setup(self, *words: str) -> Said:
        return await self.says("setup", "--yes", "--mirror", f"{self.mirror.url}/m", *words)


@asynccontextmanager
async def operator(tmp_path: Path, there: dict[str, bytes] | None = None) -> AsyncIterator[Operator]:
    there = there or contents()
    (tmp_path / "registry.json").write_text(registry(there))
    async with serving(there) as mirror:
        yield Operator(tmp_path, mirror)


def test_a_setup_brings_what_is_missing_and_says_what_it_chose_and_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with operator(tmp_path) as user:
            said = await user.says("setup", "--dry-run", "--json")
            assert (said.code, lying(user.models)) == (0, [])
            urls = [url for row in json.loads(said.out)["models"] for file in row["files"] for url in file["urls"]]
            assert urls == [f"{NOWHERE}/{name}" for name in contents()]
            said = await user.setup("--no-measure")
            assert said.code == 0, said
            assert "Tier ANY" in said.out
            for name in ("ears", "brain", "voice", "MIT", "to fetch", "an answer after 1.0 s"):
                assert name in said.out
            chosen = json.loads((user.models / "chosen.json").read_text())
            paths = {role: each["path"] for role, each in chosen["models"].items()}
            assert paths == {"stt": "stt/ears", "llm": "llm/brain.gguf", "tts": "tts/voice.onnx"}
            assert all((user.models / path).exists() for path in paths.values())
            # The second time there is nothing to be done, and nobody to be asked.
            asked = len(user.mirror.asked)
            said = await user.says("setup", "--no-measure", "--json")
            assert said.code == 0, said
            assert all(row["there"] for row in json.loads(said.out)["models"])
            assert len(user.mirror.asked) == asked

    asyncio.run(scenario())


def test_nothing_is_fetched_unasked(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with operator(tmp_path) as user:
            said = await user.says("setup", "--mirror", user.mirror.url)
            assert said.code == 1
            assert "--yes" in said.err
            assert user.mirror.asked == []

    asyncio.run(scenario())


def test_a_setup_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """kill -9 in the middle of the largest file."""
    big = {**contents(), "brain.gguf": os.urandom(12_000_000)}

    async def scenario() -> None:
        async with operator(tmp_path, big) as user:
            words = ("setup", "--yes", "--only", "llm", "--no-measure", "--mirror", f"{user.mirror.url}/m")
            note = user.models / "llm" / "brain.gguf.part.json"
            user.mirror.faults = {"m": [mirrors.slowly(200_000, 0.1)]}
            process = await user.begins(*words)
            async with asyncio.timeout(30):
                # The note comes after two seconds, when the bytes are on the disk.
                while not note.exists():
                    await asyncio.sleep(0.05)
            process.kill()
            await process.wait()
            assert not (user.models / "llm" / "brain.gguf").exists()
            user.mirror.faults = {}
            said = await user.says(*words)
            assert said.code == 0, said
            starts = [int((given or "bytes=0-")[6:].partition("-")[0]) for given in user.mirror.ranges()]
            assert len(starts) == 2
            assert starts[0] == 0 < starts[1]
            assert (user.models / "llm" / "brain.gguf").read_bytes() == big["brain.gguf"]
            assert lying(user.models / "llm") == ["brain.gguf"]

    asyncio.run(scenario())


def test_who_has_no_network_brings_a_folder(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with operator(tmp_path) as user:
            stick = tmp_path / "stick"
            stick.mkdir()
            said = await user.says("setup", "--yes", "--no-measure", "--from", str(stick))
            assert said.code == 1
            assert said.err.strip().startswith(
                f"{stick} has no stt/ears.zip or ears.zip: fetch it from {NOWHERE}/ears.zip"
            )
            for name, content in contents().items():
                (stick / name).write_bytes(content)
            said = await user.says("setup", "--yes", "--no-measure", "--from", str(stick))
            assert said.code == 0, said
            assert user.mirror.asked == []

    asyncio.run(scenario())


def test_a_wrong_file_is_one_sentence_and_leaves_no_half_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with operator(tmp_path) as user:
            stick = tmp_path / "stick"
            stick.mkdir()
            (stick / "brain.gguf").write_bytes(bytes(len(contents()["brain.gguf"])))
            said = await user.setup("--no-measure", "--only", "llm", "--from", str(stick))
            assert said.code == 1
            last = said.err.strip().splitlines()[-1]
            assert last == f"{stick}/brain.gguf is not the file that the registry means: its checksum differs"
            assert lying(user.models) == ["setup.lock"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("setup", "--tier", "HUGE"), 'there is no tier "HUGE"; there are ANY'),
        (("setup", "--language", "tlh"), 'there is no language "tlh"'),
        (("setup", "--only", "ears"), "--only takes some of stt,llm,tts"),
        (("list", "--registry", "/etc/hostname"), "is no list of models"),
    ],
)
def test_wrong_use_is_answered_with_what_there_is(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    async def scenario() -> None:
        async with operator(tmp_path) as user:
            if "--registry" in words:
                (tmp_path / "registry.json").write_text("no JSON")
            said = await user.says(*words[:3] if "--registry" not in words else words[:1])
            assert (said.code, why in said.err) == (2, True), said

    asyncio.run(scenario())


def test_a_model_that_the_operator_names_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_LLM_MODEL_PATH", str(TINY / "llm" / "front-desk-tiny.gguf"))

    async def scenario() -> None:
        async with operator(tmp_path) as user:
            said = await user.setup("--no-measure", "--json")
            assert said.code == 0, said
            assert all("brain" not in path for path, _ in user.mirror.asked)
            whys = {row["role"]: row["why"] for row in json.loads(said.out)["models"]}
            assert whys["llm"] == "named by LOCAL_LLM_MODEL_PATH"

    asyncio.run(scenario())


def test_the_list_says_what_is_here_and_what_could_be(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with operator(tmp_path) as user:
            said = await user.says("list")
            assert (said.code, "no models" in said.out) == (0, True)
            await user.setup("--no-measure", "--only", "llm")
            rows = json.loads((await user.says("list", "--json")).out)["models"]
            assert [(row["name"], row["there"], row["chosen"]) for row in rows] == [("brain", True, True)]
            rows = json.loads((await user.says("list", "--json", "--all")).out)["models"]
            assert {row["name"]: row["there"] for row in rows} == {"ears": False, "brain": True, "voice": False}
            said = await user.says("list", "--all")
            assert "made for tests" in said.out

    asyncio.run(scenario())


def test_a_check_loads_what_is_fine_and_names_what_is_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with operator(tmp_path) as user:
            said = await user.says("check")
            assert (said.code, said.out.count("run `ringmaster models setup`")) == (1, 3)
            await user.setup("--no-measure")
            said = await user.says("check", "--json")
            assert said.code == 0, said
            assert [row["name"] for row in json.loads(said.out)["models"]] == ["ears", "brain", "voice"]
            brain = user.models / "llm" / "brain.gguf"
            content = bytearray(brain.read_bytes())
            content[1000] ^= 1
            brain.write_bytes(content)
            said = await user.says("check")
            assert said.code == 1
            assert f"{brain} is damaged: its checksum is not what it was when it came: run `ringmaster" in said.out
            assert said.out.count(": fine") == 2
            assert (await user.setup("--no-measure")).code == 0
            assert brain.read_bytes() == contents()["brain.gguf"]

    asyncio.run(scenario())


def test_the_measurement_is_written_down_for_the_plan(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with operator(tmp_path) as user:
            said = await user.setup("--json", "--only", "tts")
            assert said.code == 0, said
            found = json.loads(said.out)["measured"]
            assert found == json.loads((user.models / "measured.json").read_text())
            assert found["tts"]["model"] == "voice"
            assert found["tts"]["real_time_factor"] > 0
            assert found["cores"] >= 1

    asyncio.run(scenario())


def test_an_engine_that_cannot_load_its_model_is_a_complaint_and_no_crash(tmp_path: Path) -> None:
    broken = {**contents(), "voice.onnx": b"no voice at all" * 100}

    async def scenario() -> None:
        async with operator(tmp_path, broken) as user:
            said = await user.setup("--only", "tts")
            assert said.code == 1
            assert said.err.strip().splitlines()[-1].startswith("tts was not measured: ")
            assert "Traceback" not in said.err

    asyncio.run(scenario())


def test_the_settings_are_changed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED.parent / "agents", tmp_path / "agents")
    settings = tmp_path / "ai-agent.yaml"
    settings.write_text(SHIPPED.read_text())

    async def scenario() -> None:
        async with operator(tmp_path) as user:
            before = settings.read_text()
            assert (await user.setup("--no-measure", "--only", "llm", "--config", str(settings))).code == 0
            assert settings.read_text() == before
            said = await user.setup("--no-measure", "--only", "llm", "--config", str(settings), "--activate")
            assert said.code == 0, said
            assert load(settings).settings.active_pipeline == "local"

    asyncio.run(scenario())
