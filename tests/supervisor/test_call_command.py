"""`ringmaster call`: what it asks of call-control, and what it tells of the call."""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ipc.actions import CallPlaced, PlaceCall
from ipc.bus import Bus, Refused
from ipc.history import History
from ipc.messages import CallList, ListCalls, OpenedCall
from supervisor.instance import Instance
from tests.supervisor.stage import DEADLINE_S, configuration, environment

CALL = "out-1"
Ran = tuple[int, str, str]


class Stage:
    """A supervisor and two call-controls on a bus of their own, and the call history."""

    def __init__(self, folder: Path) -> None:
        branch = {"branch": {"port": 9099}}
        history = {"directory": str(folder / "history")}
        self.config = configuration(folder, more_asterisks=branch, history=history, outbound={"ring_s": 5})
        self.history = folder / "history"
        self.placed: list[tuple[str, PlaceCall]] = []
        self.open: list[str] = []
        self.listed = 0
        self.refusal = ""
        self.when_listed: Callable[[], None] = lambda: None

    @contextlib.asynccontextmanager
    async def set(self) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
            self.run_dir = Path(run_dir)
            with Instance(self.run_dir):
                async with contextlib.AsyncExitStack() as stack:
                    supervisor = await stack.enter_async_context(Bus(self.run_dir, "supervisor"))
                    supervisor.on(ListCalls, self._list)
                    for name in ("call-control", "call-control.branch"):
                        control = await stack.enter_async_context(Bus(self.run_dir, name))
                        control.on(PlaceCall, self._placing(name))
                    yield

    def _placing(self, name: str) -> Callable[[str, PlaceCall], object]:
        async def place(sender: str, command: PlaceCall) -> CallPlaced:
            if self.refusal:
                raise Refused(self.refusal)
            self.placed.append((name, command))
            return CallPlaced(call_id=CALL)

        return place

    async def _list(self, sender: str, command: ListCalls) -> CallList:
        self.listed += 1
        self.when_listed()
        one = {"segment": "s", "rate": 8000, "media_uuid": "u", "audio_actor": "a"}
        return CallList(calls=tuple(OpenedCall(call_id=call_id, **one) for call_id in self.open))  # type: ignore[arg-type]

    async def ringmaster(self, *words: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "supervisor.cli", "call", *words),
            *("--config", str(self.config.path), "--run-dir", str(self.run_dir)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    def write(self, outcome: str, answered: float | None) -> None:
        """The call as it stands in the history when it is over."""
        with History(self.history) as history, history.transaction() as connection:
            connection.execute(
                "INSERT INTO calls"
                " (call_id, boot, arrived_ns, control, arrived, answered, ended, direction, outcome, cause)"
                " VALUES (?, 'boot', 1, 'call-control', 100.0, ?, 112.5, 'out', ?, 'normal')",
                (CALL, answered, outcome),
            )
            for place, who, text, heard in (
                (1, "agent", "Hello, this is Maple Street Dental.", "Hello, this is Maple"),
                (2, "caller", "yes please", ""),
            ):
                connection.execute(
                    "INSERT INTO turns (number, place, at_ms, who, kind, turn, text, heard, interrupted)"
                    " VALUES (1, ?, 0, ?, 'said', 1, ?, ?, 0)",
                    (place, who, text, heard),
                )


def play(folder: Path, scene: Callable[[Stage], object]) -> None:
    async def run() -> None:
        stage = Stage(folder)
        async with asyncio.timeout(DEADLINE_S), stage.set():
            await scene(stage)  # type: ignore[misc]

    asyncio.run(run())


def test_call_control_is_asked_for_exactly_that_call(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        code, out, err = await stage.ringmaster(
            *("5551234", "--agent", "sales", "--provider", "loopback", "--profile", "wide"),
            *("--set", "ORDER=A=7", "--set", "NAME="),
        )
        assert (code, out, err) == (0, f"dialling 5551234: call {CALL}\n", "")
        wanted = PlaceCall(
            number="5551234",
            agent="sales",
            provider="loopback",
            profile="wide",
            variables={"ORDER": "A=7", "NAME": ""},
        )
        assert stage.placed == [("call-control", wanted)]

    play(tmp_path, scene)


def test_another_asterisk_has_a_call_control_of_its_own(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        code, out, _ = await stage.ringmaster("100", "--asterisk", "branch", "--json")
        assert (code, json.loads(out)) == (0, {"call_id": CALL})
        assert stage.placed == [("call-control.branch", PlaceCall(number="100"))]
        code, _, err = await stage.ringmaster("100", "--asterisk", "nowhere")
        assert code == 2
        assert "it has: branch" in err

    play(tmp_path, scene)


def test_a_refusal_is_told_as_it_was_said(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.refusal = "Asterisk has not been reached yet"
        code, out, err = await stage.ringmaster("100", "--wait")
        assert (code, out) == (1, "")
        assert "Asterisk has not been reached yet" in err

    play(tmp_path, scene)


@pytest.mark.parametrize("word", ["NAME", "=value", "1ST=value", "A B=value"])
def test_what_is_no_variable_is_wrong_usage(tmp_path: Path, word: str) -> None:
    async def scene(stage: Stage) -> None:
        code, _, err = await stage.ringmaster("100", "--set", word)
        assert code == 2
        assert "is not NAME=VALUE" in err
        assert stage.placed == []

    play(tmp_path, scene)


def test_a_call_is_followed_word_by_word_to_its_end(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.write("agent hung up", answered=104.0)
        code, out, _ = await stage.ringmaster("100", "--wait")
        assert code == 0
        assert out.splitlines() == [
            f"dialling 100: call {CALL}",
            "answered after 4.0 s",
            " agent: Hello, this is Maple",
            "caller: yes please",
            "ended after 12.5 s, agent hung up: normal",
        ]

    play(tmp_path, scene)


def test_a_call_that_nobody_answers_is_1(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.write("no answer", answered=None)
        code, out, _ = await stage.ringmaster("100", "--wait", "--json")
        assert code == 1
        assert json.loads(out)["outcome"] == "no answer"

    play(tmp_path, scene)


def test_without_the_history_the_list_of_open_calls_is_followed(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.open = [CALL]

        def end() -> None:
            if stage.listed == 2:
                stage.open = []

        stage.when_listed = end
        code, out, _ = await stage.ringmaster("100", "--wait")
        assert code == 0
        assert "there is no call history at" in out
        assert out.splitlines()[-2:] == ["the call is open", "the call has ended"]

    play(tmp_path, scene)


def test_a_system_that_does_not_run_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.cli", "call", "100", "--config", str(stage.config.path)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
    )
    assert done.returncode == 1
    assert "Ringmaster is not running in" in done.stderr
