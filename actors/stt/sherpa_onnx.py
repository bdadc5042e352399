"""The engine `sherpa_onnx`: streaming transducers and CTC models (zipformer and others) on ONNX Runtime.

They take free dictation only. One model a process; each utterance has a stream of its own, of 1 KB and its states.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from actors.catalogue import Unusable
from actors.stt import languages
from actors.stt.complaints import Loading
from actors.stt.engine import Hearing, Hints, Pcm, SttStream, UnusableHints, Word
from actors.stt.sherpa_folder import NEMO_CTC, SETUP, TRANSDUCER, NotAModel, SherpaFolder, look_at
from config.load import Config
from models import shelf

try:
    import sherpa_onnx
except ModuleNotFoundError:
    raise
except ImportError as error:  # its library is loaded with it
    raise Unusable(
        f"the package sherpa-onnx does not fit this system ({error}): install it again, or take another stt engine"
    ) from error

RATE = 16000
FULL_SCALE = 32768.0
FRAME_MS = 10
FRAME = RATE * FRAME_MS // 1000
EXTRA_FRAMES = 10
"""Of silence after the last chunk: a frame of features reaches beyond itself, and so do the models."""
TOLD_STEP_S = 0.04
"""sherpa-onnx tells times as if all models put out something every fourth frame; NeMo's do every eighth."""


class SherpaOnnx:
    """One loaded model, which all calls share."""

    name = "sherpa_onnx"
    sample_rate = RATE

    def __init__(self, model: Path, *, threads: int = 1, language: str = "") -> None:
        """Loads the model in the folder and hears half a second of silence with it.

        `threads` compute it. `language` is what it understands, such as "en-us"; empty: as the folder's name says, if
        it does. Raises `Unusable`.
        """
        try:
            self._folder = look_at(model)
        except NotAModel as error:
            raise Unusable(f'the stt engine "sherpa_onnx" cannot start: {error}') from None
        self._language = language or self._folder.language
        self._recognizer = _loaded(self._folder, threads)
        stream = self.open(Hints(self._language or "en-us"))
        stream.feed(np.zeros(RATE // 2, dtype=np.int16))
        stream.finish()
        stream.close()

    @classmethod
    def of(cls, config: Config) -> Self:
        """As the configuration says. Raises `Unusable`, and `models.shelf.NoModel`."""
        own, models = config.settings.engines.sherpa_onnx, config.settings.models
        path = shelf.path_of(models, "stt", own.model)
        return cls(path, threads=own.threads, language=languages.of_model(models, path))

    def open(self, hints: Hints) -> SttStream:
        """A recogniser for free dictation. Raises `UnusableHints` where nothing but the grammar is to be heard."""
        languages.check(hints, self._language, self._folder.path)
        if hints.strict:
            raise UnusableHints(
                "sherpa_onnx takes free dictation only: leave the agent's grammar open, or take vosk or pocketsphinx"
            )
        return _Stream(self._recognizer, self._folder)


class _Stream:
    """One call's recogniser."""

    def __init__(self, recognizer: Any, folder: SherpaFolder) -> None:
        self._recognizer = recognizer
        self._tail = np.zeros((folder.chunk_frames + EXTRA_FRAMES) * FRAME, dtype=np.float32)
        self._token_ms = folder.subsampling * FRAME_MS
        self._stream = recognizer.create_stream()
        self._samples = 0
        self._guess = ""

    def feed(self, pcm: Pcm) -> str:
        if len(pcm):
            self._samples += len(pcm)
            self._stream.accept_waveform(RATE, pcm.astype(np.float32) / FULL_SCALE)
            if self._decode():
                self._guess = _small(self._recognizer.get_result(self._stream))
        return self._guess

    def finish(self) -> Hearing:
        if not self._samples:
            return Hearing("", 0.0)
        self._stream.accept_waveform(RATE, self._tail)
        self._stream.input_finished()
        self._decode()
        said = self._recognizer.get_result_all(self._stream)
        length_ms = self._samples * 1000 // RATE
        self._stream = self._recognizer.create_stream()
        self._samples = 0
        self._guess = ""
        text = _small(said.text.strip())
        if not text:
            return Hearing("", 0.0)
        # CTC models say nothing of how sure they are.
        sure = [min(math.exp(value), 1.0) for value in said.ys_probs] or [1.0] * len(said.tokens)
        times = [round(time_s / TOLD_STEP_S) * self._token_ms for time_s in said.timestamps]
        words = _words(text, said.tokens, times, sure, self._token_ms, length_ms)
        return Hearing(text, sum(sure) / len(sure), words)

    def close(self) -> None:
        del self._stream

    def _decode(self) -> bool:
        decoded = False
        while self._recognizer.is_ready(self._stream):
            self._recognizer.decode_stream(self._stream)
            decoded = True
        return decoded


def _words(
    text: str, tokens: list[str], times_ms: list[int], sure: list[float], token_ms: int, length_ms: int
) -> tuple[Word, ...]:
    """The tokens put together; none where they are not the text's (a script without spaces, numbers written out)."""
    found: list[Word] = []
    for token, time_ms, confidence in zip(tokens, times_ms, sure, strict=True):
        start, end = min(time_ms, length_ms), min(time_ms + token_ms, length_ms)
        if token.startswith(" ") or not found:
            found.append(Word(token.strip(), start, end, confidence))
        else:
            last = found[-1]
            found[-1] = Word(last.text + token, last.start_ms, end, min(last.confidence, confidence))
    if [word.text.lower() for word in found] != text.lower().split():
        return ()
    return tuple(replace(word, text=written) for word, written in zip(found, text.split(), strict=True))


def _small(text: str) -> str:
    """Many models write capitals only."""
    return text.lower() if text.isupper() else text


def _loaded(folder: SherpaFolder, threads: int) -> Any:
    """Raises `Unusable`."""
    tokens, files = str(folder.tokens), [str(file) for file in folder.files]
    with Loading("sherpa_onnx", folder.path, folder.files, f"fetch it again, {SETUP}"):
        if folder.kind == TRANSDUCER:
            # The temperature only makes the confidences flatter than they are.
            return sherpa_onnx.OnlineRecognizer.from_transducer(
                tokens, *files, num_threads=threads, temperature_scale=1.0
            )
        if folder.kind == NEMO_CTC:
            return sherpa_onnx.OnlineRecognizer.from_nemo_ctc(tokens, files[0], num_threads=threads)
        return sherpa_onnx.OnlineRecognizer.from_zipformer2_ctc(tokens, files[0], num_threads=threads)
