"""What the tests of recognisers share: engines as they are configured, speech as it comes from a telephone, and streams
that are given it."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from msgspec import structs

from actors.pcm import Pcm, resample
from actors.stt.engine import Hearing, SttEngine, SttStream
from actors.stt.engines import load
from bench.voices import CallerVoice
from config.load import SHIPPED
from config.load import load as config_load
from tests.actors.stt import tone_models

GRAMMAR = """#JSGF V1.0;
grammar desk;
public <request> = what are your opening hours | where are you located | can I speak to a person
  | I'd like to book an appointment [on <day>] | yes please | no thank you | goodbye;
<day> = monday | tuesday | wednesday | friday;
"""
AMERICAN = CallerVoice("en-us")
TINY_VOSK = Path(__file__).parents[3] / "models" / "tiny" / "vosk"


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ringmaster-test-stt-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def model(name: str) -> str:
    """Folder of the model that the engine has in tests; "" where it needs none. Its name says the language."""
    if name == "vosk":
        link = _folder() / "vosk-model-small-en-us-tiny"
        link.symlink_to(TINY_VOSK, target_is_directory=True)
        return str(link)
    if name == "sherpa_onnx":
        return str(tone_models.transducer(_folder() / "sherpa-onnx-streaming-tones-en"))
    return ""


@cache
def _loaded(name: str, settings: tuple[tuple[str, float | str], ...]) -> SttEngine:
    config = config_load(SHIPPED)
    own = structs.replace(getattr(config.settings.engines, name), **dict(settings))
    engines = structs.replace(config.settings.engines, **{name: own})
    return load(name, structs.replace(config, settings=structs.replace(config.settings, engines=engines)))


def engine(name: str, settings: Mapping[str, float | str] | None = None) -> SttEngine:
    """One for all tests with the same settings: loading costs 0.1 s. Without a word on it, with the tests' model."""
    given = dict(settings or {})
    if model(name):
        given.setdefault("model", model(name))
    return _loaded(name, tuple(given.items()))


@cache
def speech(text: str, voice: CallerVoice = AMERICAN, rate: int = 16000) -> Pcm:
    """The text at `rate` Hz as a telephone brings it, with a short silence around."""
    return resample(voice.say(text, before_ms=200, after_ms=300), 8000, rate)


def hear(stream: SttStream, pcm: Pcm, chunk: int = 320) -> Hearing:
    """What the stream makes of it, fed so many samples at a time."""
    for at in range(0, len(pcm), chunk):
        stream.feed(pcm[at : at + chunk])
    return stream.finish()
