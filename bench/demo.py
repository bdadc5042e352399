"""`make demo`: the whole system beside the stand-in Asterisk, one synthetic caller, and what came of the call.

    python -m bench.demo [--out out/demo] [--calls 1] [--engines local]

Starts the real supervisor with every actor on the embedded engines, or on Vosk, llama.cpp and Piper, places a call,
prints the conversation as it happens and then where each turn's time went; writes `call.wav` (caller left, agent right,
as on the wire), `timeline.svg` and `report.json`. Exit code 0 only if the agent understood every line and answered it
rightly.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from bench import report, timeline, wire_wav
from bench.asterisk import Asterisk
from bench.asterisk.media.handset import WireLog
from bench.caller import Caller, Line, Spoken
from bench.system import NotReady, System, together
from bench.voices import CallerVoice
from config.engines import Role
from config.load import SHIPPED, load
from ipc import journal
from ipc.journal import AgentSaid, CallEnded, CallerSaid, Record, ToolRun
from ipc.messages import Journaled
from models import shelf
from models.shelf import NoModel

CALL_S = 180.0

Engines = Literal["embedded", "local"]
PIPELINE = "local"
_TINY = Path(__file__).resolve().parents[1] / "models" / "tiny"
TINY: dict[Role, tuple[str, Path]] = {
    "stt": ("vosk", _TINY / "vosk"),
    "llm": ("llama_cpp", _TINY / "llm" / "front-desk-tiny.gguf"),
    "tts": ("piper", _TINY / "voice" / "en_US-tiny.onnx"),
}
"""By role: the engine, and its model in this repository."""

SCRIPT = (
    Line("what are your opening hours", heard=("opening", "hours"), reply="Monday to Friday"),
    Line("my grandmother has seventeen purple bicycles", reply="did not get that"),
    Line("can i make an appointment", heard=("appointment",), reply="which day"),
    Line("where are you", heard=("where", "are", "you"), reply="Maple Street", interrupt_after_ms=900),
    Line("on wednesday", heard=("wednesday",), reply="time"),
    Line("at half past two", heard=("half", "past", "two"), reply="two thirty"),
    Line("yes please", heard=("yes",), reply="Wednesday"),
    Line("no that is all", heard=("that", "is", "all"), reply="Goodbye"),
)
DICTATED = (
    Line("what are your opening hours", heard=("opening", "hours"), reply="Monday"),
    Line("my grandmother has seventeen purple bicycles", heard=("grandmother",)),
    Line("can i make an appointment", heard=("appointment",), reply="day"),
    Line("where are you", heard=("where", "are", "you"), reply="Maple", interrupt_after_ms=900),
    Line("on wednesday", heard=("wednesday",)),
    Line("at half past two", heard=("half", "past", "two")),
    Line("yes please", heard=("yes",), reply="Wednesday"),
    Line("no that is all", heard=("that", "is", "all"), reply="bye"),
)
"""The same for a recogniser that takes dictation and a language model that chooses its own words: what must be in the
answer is what it has to know."""
VOICE = CallerVoice("en-us+m3", words_per_minute=150, pitch=45, noise_snr_db=30.0, seed=7)


def describe(record: Record) -> str:
    """One line for a person who watches the call; "" for what they need not see."""
    match record:
        case CallerSaid():
            return f"  caller  {record.text or '(not understood)'}"
        case AgentSaid():
            cut = f" [interrupted; unheard: {record.text[len(record.heard) :].strip()}]" if record.interrupted else ""
            return f"  agent   {record.heard}{cut}"
        case ToolRun():
            values = ", ".join(f"{name} {value}" for name, value in record.arguments.items())
            return f"  tool    {record.name}({values}): {record.outcome}"
        case CallEnded():
            return f"  ended   {record.cause}"
        case _:
            return ""


@dataclass
class Outcome:
    """One call: the caller's account, the agent's journal, and what was on the wire."""

    call_id: str
    spoken: list[Spoken]
    records: list[Record]
    wire: WireLog
    planned: int

    def report(self) -> dict[str, object]:
        return report.report(self.spoken, self.records, self.planned)

    def write(self, out: Path) -> None:
        wire_wav.write(out / "call.wav", self.wire)
        (out / "journal.jsonl").write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in self.records))
        said = [(line.onset_ns, line.speech_end_ns, line.line.text) for line in self.spoken]
        (out / "timeline.svg").write_text(timeline.draw(self.records, said))


async def one_call(
    system: System, asterisk: Asterisk, script: Sequence[Line], voice: CallerVoice, *, show: bool = True
) -> Outcome:
    """Places a call, shows it as it happens, and waits until the agent has written down its end."""
    ended = asyncio.Event()

    async def journaled(sender: str, event: Journaled) -> None:
        record = journal.decode(event.record)
        if show and (line := describe(record)):
            print(line, flush=True)
        if isinstance(record, CallEnded):
            ended.set()

    await system.bus.subscribe("conversation.1", Journaled, journaled)
    phone = asterisk.dial("1000", caller_id="5551234")
    caller = Caller(phone, voice, script)
    async with asyncio.timeout(CALL_S):
        await caller.play()
        await ended.wait()
    records = list(journal.read(journal.path(system.run_dir, phone.id)))
    return Outcome(phone.id, caller.spoken, records, phone.log, len(script))


def table(made: dict[str, Any]) -> str:
    """Where the time of each turn went."""
    lines = [f"{'ms':>6}  " + "  ".join(f"{part:>11}" for part in report.PARTS) + "   caller said"]
    for turn in made["turns"]:
        parts = "  ".join(f"{turn['parts_ms'].get(part, 0):11.0f}" for part in report.PARTS)
        mark = "" if turn["understood"] else "   <- not as expected"
        lines.append(f"{turn.get('voice_to_voice_ms', 0):6.0f}  {parts}   {turn['caller_said']}{mark}")
    return "\n".join(lines)


def summary(reports: Sequence[dict[str, Any]]) -> str:
    """The figures over all calls."""
    turns = [turn for made in reports for turn in made["turns"]]
    answers = sorted(turn["voice_to_voice_ms"] for turn in turns if "voice_to_voice_ms" in turn)
    cuts = [turn["barge_in_silence_ms"] for turn in turns if "barge_in_silence_ms" in turn]
    first = max(made["first_audio_ms"] or 0 for made in reports)
    late = max(made["audio"]["late_ms"].get("p99", 0) for made in reports)
    return (
        f"voice to voice over {len(answers)} turns: p50 {quantile(answers, 0.5):.0f} ms, "
        f"p95 {quantile(answers, 0.95):.0f} ms; first audio {first:.0f} ms after "
        f"StasisStart; silent {max(cuts, default=0):.0f} ms after an interruption; "
        f"pacer late p99 {late:.2f} ms; underruns {sum(made['audio']['underruns'] for made in reports)}; "
        f"samples lost {sum(made['audio']['samples_made_but_not_played'] for made in reports)}"
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def local_models() -> dict[str, Any]:
    """Settings for real engines: with the models that were set up on this machine, else with the tiny ones, which need
    no network. Raises `NoModel`."""
    chosen = shelf.choice(load(SHIPPED).settings.models)
    if chosen is not None and set(chosen.models) == set(TINY):
        names = ", ".join(chosen.models[role].name for role in chosen.models)
        print(f"engines: {names}", flush=True)
        return {
            "active_pipeline": PIPELINE,
            "pipelines": {PIPELINE: {role: chosen.models[role].engine for role in TINY}},
        }
    print("engines: vosk, llama_cpp and piper with the tiny models (ringmaster models setup fetches real ones)")
    return tiny_models()


def tiny_models() -> dict[str, Any]:
    """Settings for real engines with the models of this repository, which know the demo's words."""
    section = {engine: {"model": str(path)} for engine, path in TINY.values()}
    return {"active_pipeline": PIPELINE, "engines": section}


async def demo(out: Path, calls: int, engines: Engines) -> int:
    """Raises `NotReady`, and `NoModel`."""
    began = time.monotonic()
    script, changes = (DICTATED, local_models()) if engines == "local" else (SCRIPT, {})
    print("starting the system beside a stand-in Asterisk ...", flush=True)
    reports: list[dict[str, Any]] = []
    async with together(out, changes) as (system, asterisk):
        print(f"ready after {time.monotonic() - began:.1f} s; the caller dials 1000", flush=True)
        for _ in range(calls):
            outcome = await one_call(system, asterisk, script, VOICE)
            outcome.write(out)
            reports.append(outcome.report())
            print("\n" + table(reports[-1]) + "\n", flush=True)
    (out / "report.json").write_text(json.dumps(reports[-1], indent=2) + "\n")
    print(summary(reports))
    ok = all(made["ok"] for made in reports)
    print(f"{'understood and answered' if ok else 'NOT as expected'}: see {out}/call.wav, timeline.svg, report.json")
    return 0 if ok else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.demo", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for what the call leaves behind")
    parser.add_argument("--engines", choices=get_args(Engines), default="embedded", help="what listens, thinks, speaks")
    parser.add_argument("--calls", type=int, default=1, help="one after the other; the figures are over all of them")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    try:
        return asyncio.run(demo(options.out.resolve(), options.calls, options.engines))
    except (NotReady, NoModel) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
