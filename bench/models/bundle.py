"""Which models are measured: those that have been set up on this machine or, where there are none, models of true shape
with random weights, which our own scripts make. They are kept in the bench's folder and used again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.shapes import llm as llm_shapes
from bench.shapes import voice as voice_shapes
from bench.tiny.vosk import ballast
from config.engines import Role
from config.load import SHIPPED, load
from models import shelf

TINY_VOSK = Path(__file__).resolve().parents[2] / "models" / "tiny" / "vosk"
"""It hears the demo agent's words."""
VOSK_SHAPE = "small"
LLM_SHAPE = "qwen2.5-0.5b"
EMBEDDED_STT = "pocketsphinx"


@dataclass(frozen=True)
class Bundle:
    """One model a role."""

    stt: str
    """The engine."""
    stt_model: str
    llm: Path
    tts: Path
    about: dict[Role, str]
    """What each is, in words."""

    @property
    def engines(self) -> dict[str, Any]:
        """The section `engines` of the settings."""
        section: dict[str, Any] = {"llama_cpp": {"model": str(self.llm)}, "piper": {"model": str(self.tts)}}
        return section | ({self.stt: {"model": self.stt_model}} if self.stt_model else {})


def bundle(folder: Path, say: Callable[[str], None], *, shapes: bool, llm_shape: str, tiny_vosk: Path) -> Bundle:
    """`shapes`: even where models have been set up. Makes what is missing, in `folder`. Raises `models.shelf.NoModel`
    where those that have been set up cannot be used."""
    models = load(SHIPPED).settings.models
    chosen = None if shapes else shelf.choice(models)
    about: dict[Role, str] = {}

    def set_up(role: Role, engine: str) -> Path | None:
        model = chosen.models.get(role) if chosen else None
        if model is None or model.engine != engine:
            return None
        about[role] = model.name
        return shelf.path_of(models, role)

    llm, tts, stt = set_up("llm", "llama_cpp"), set_up("tts", "piper"), set_up("stt", "vosk")
    if llm is None:
        llm = folder / f"{llm_shape}.gguf"
        about["llm"] = f"{llm_shape}, random weights of true shape, Q4_0"
        _made(llm, lambda path: llm_shapes.write(llm_shapes.SHAPES[llm_shape], path), say)
    if tts is None:
        tts = folder / "voice-medium.onnx"
        about["tts"] = "Piper medium, random weights of true shape"
        _made(tts, lambda path: voice_shapes.make(path), say)
    if stt is None and tiny_vosk.is_dir():
        stt = folder / f"vosk-{VOSK_SHAPE}"
        about["stt"] = f"vosk, the tiny model with the computing of a {VOSK_SHAPE} one"
        _made(stt, lambda path: ballast.load(tiny_vosk, path, ballast.SHAPES[VOSK_SHAPE]), say)
    if stt is None:
        about["stt"] = f"{EMBEDDED_STT}: there is no Vosk model in {tiny_vosk}"
        return Bundle(EMBEDDED_STT, "", llm, tts, about)
    return Bundle("vosk", str(stt), llm, tts, about)


def _made(path: Path, make: Callable[[Path], object], say: Callable[[str], None]) -> None:
    if not path.exists():
        say(f"making {path} ...")
        path.parent.mkdir(parents=True, exist_ok=True)
        # What is interrupted must not be taken for whole.
        beside = path.with_name(f"part-{path.name}")
        make(beside)
        for part in sorted(path.parent.glob(f"{beside.name}*"), reverse=True):  # a voice's JSON first
            part.rename(part.with_name(part.name.removeprefix("part-")))
