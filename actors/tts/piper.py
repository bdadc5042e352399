"""The engine `piper`: neural voices on a CPU (https://github.com/OHF-Voice/piper1-gpl).

piper-tts is GPL-3.0 and carries an espeak-ng of its own: import this module in the TTS actor's own process only.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from actors.catalogue import Unusable
from actors.pcm import Resampler
from actors.tts import spelling
from actors.tts.engine import Pcm, Sink, UnusableVoice, Voice, Word
from actors.tts.voice_file import Floats, Run, Stopped, VoiceFile
from config.engines import Piper as Settings
from config.load import Config
from models import machine, shelf

KEPT = 4
"""Voices that are loaded at the same time, at 110 MB each: the one that was used last stays longest."""
NATURAL_PACE = 165
"""Words a minute, at which a voice speaks as it was made."""
FULL_SCALE = 32767.0
CHUNK_MS = 100
"""What is given to the sink at a time."""
SILENT_BELOW = 10 ** (-54 / 20)
"""Of full scale: voices begin and end with up to 200 ms below it."""
LEAD_MS = 3
"""What of that silence stays, so that speech does not begin with a click."""
PAUSES_MS = {",": 120, ";": 180, ":": 180, ".": 250, "?": 250, "!": 250, "…": 250}
"""The least that follows a clause which ends so, for the next one would be glued to it."""
LONGEST = 320
"""Phonemes that are said in one go: 25 s. A longer sentence is cut at a space."""


class Piper:
    """Voices are the file's name without `.onnx`, for those that lie beside the default one; a speaker of a voice that
    has several, by name or number; or both: "en_GB-vctk-medium:p225". "" is the default voice and speaker.

    Samples come as they are made where the voice can be cut in two (`voice_parts`), else a sentence at a time. Words
    are where the voice puts them if it tells, else where the usual length of phonemes does.
    """

    name = "piper"
    at_once = 1
    """A run already uses all the threads that it was given."""

    def __init__(
        self, model: Path, *, threads: int = 0, volume: float = 1.0, noise: float = -1, noise_w: float = -1
    ) -> None:
        """`threads` 0: one for each physical core that this process may use. Raises `Unusable`."""
        self._threads = threads or len(machine.detect(nvidia_smi="").cores) or 1
        self._volume = volume
        self._noise = None if noise < 0 else noise
        self._noise_w = None if noise_w < 0 else noise_w
        self._folder = model.parent
        self._default = VoiceFile(model, self._threads)
        self._voices: OrderedDict[str, VoiceFile] = OrderedDict()
        self._loading = threading.Lock()
        self._running: dict[Sink, Any] = {}
        self.sample_rate: int = self._default.sample_rate

    @classmethod
    def of(cls, config: Config) -> Self:
        """As `engines.piper` says. Raises `Unusable`, and `NoModel`."""
        settings: Settings = config.settings.engines.piper
        model = shelf.path_of(config.settings.models, "tts", settings.model)
        return cls(
            model,
            threads=settings.threads,
            volume=settings.volume,
            noise=settings.noise_scale,
            noise_w=settings.noise_w_scale,
        )

    def stop(self, sink: Sink) -> None:
        """As in the protocol: within one operation of the network, a few milliseconds."""
        options = self._running.get(sink)
        if options is not None:
            options.terminate = True

    def synthesize(self, text: str, voice: Voice, sink: Sink) -> tuple[Word, ...]:
        """As in the protocol: 100 ms a chunk, several at once."""
        file, speaker = self._find(voice.name)
        text = spelling.cleaned(text)
        sentences = [sentence for sentence in _short(file.spell(text)) if spelling.audible(sentence)]
        if not sentences:
            return ()
        manner = file.manner(NATURAL_PACE / voice.words_per_minute, self._noise, self._noise_w, speaker)
        places = spelling.places(text, sentences, file.spell)
        clause = _Clause(sink, file.sample_rate, self.sample_rate, self._volume)
        words: list[Word] = []
        options = self._running[sink] = onnxruntime.RunOptions()
        rest = getattr(sink, "rest", _go_on)
        try:
            for number, sentence in enumerate(sentences):
                ids, before = file.ids(sentence)
                if not rest():
                    break
                run = file.say(ids, manner, options, rest)
                starts = clause.made + _starts(run, sentence, before)
                for place in (place for place in places if place.sentence == number):
                    at = np.interp(place.phoneme, np.arange(len(starts)), starts)
                    words.append(Word(place.start, place.length, int(at)))
                if not all(clause.take(stretch) for stretch in run.stretches):
                    return clause.heard(words)
                if not clause.pause(PAUSES_MS.get("".join(sentence).rstrip()[-1], 0)):
                    return clause.heard(words)
            else:
                clause.end()
        except Stopped:
            pass
        finally:
            del self._running[sink]
        return clause.heard(words)

    def _find(self, name: str) -> tuple[VoiceFile, int | None]:
        """The voice and the speaker that are meant. Raises `UnusableVoice`."""
        if not name:
            return self._default, None
        if (speaker := _speaker(self._default, name)) is not None:
            return self._default, speaker
        title, _, wanted = name.partition(":")
        file = self._load(title)
        if not wanted:
            return file, None
        speaker = _speaker(file, wanted)
        if speaker is None:
            raise UnusableVoice(f'the voice {file.name} has no speaker "{wanted}". It has {_speakers(file)}')
        return file, speaker

    def _load(self, title: str) -> VoiceFile:
        if title == self._default.name:
            return self._default
        with self._loading:
            if title in self._voices:
                self._voices.move_to_end(title)
                return self._voices[title]
            path = self._folder / f"{title}.onnx"
            if Path(title).name != title or not path.is_file():
                there = ", ".join(sorted(file.name.removesuffix(".onnx") for file in self._folder.glob("*.onnx")))
                speakers = f"; {self._default.name} has the speakers {_speakers(self._default)}" * bool(
                    self._default.speakers
                )
                raise UnusableVoice(f'piper has no voice "{title}" in {self._folder}. There are {there}{speakers}')
            try:
                voice = self._voices[title] = VoiceFile(path, self._threads)
            except Unusable as error:
                raise UnusableVoice(str(error)) from error
            if len(self._voices) >= KEPT:
                self._voices.popitem(last=False)
            return voice


def _go_on() -> bool:
    """What a sink that cannot rest does."""
    return True


def _speaker(file: VoiceFile, name: str) -> int | None:
    if name in file.speakers:
        return file.speakers[name]
    if name.isdecimal() and file.config.num_speakers > 1 and int(name) < file.config.num_speakers:
        return int(name)
    return None


def _speakers(file: VoiceFile) -> str:
    """For an error: some of many."""
    if not file.speakers:
        return f"0 to {file.config.num_speakers - 1}" if file.config.num_speakers > 1 else "only one"
    names = list(file.speakers)
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _short(sentences: spelling.Sentences) -> spelling.Sentences:
    """The sentences, those that are too long for one go in pieces."""
    pieces: spelling.Sentences = []
    for sentence in sentences:
        while len(sentence) > LONGEST:
            spaces = [at for at in range(LONGEST // 2, LONGEST) if sentence[at] == " "]
            at = spaces[-1] if spaces else LONGEST
            pieces.append(sentence[:at])
            sentence = sentence[at:]
        pieces.append(sentence)
    return pieces


def _starts(run: Run, sentence: list[str], before: list[int]) -> NDArray[np.float64]:
    """The sample at which each phoneme of the sentence begins: as the voice tells, else as is usual."""
    if run.lengths is not None:
        ends = np.concatenate(([0], np.cumsum(run.lengths)))
        return ends[before].astype(np.float64)
    weights = np.array([spelling.weight(symbol) for symbol in sentence])
    passed = np.concatenate(([0.0], np.cumsum(weights)[:-1]))
    return np.asarray(passed / max(weights.sum(), 1e-9) * run.samples)


class _Clause:
    """One clause on its way to the sink, without the silence at its start; counts samples as the voice makes them."""

    def __init__(self, sink: Sink, made_rate: int, rate: int, volume: float) -> None:
        self._sink = sink
        self._made_rate = made_rate
        self._rate = rate
        self._volume = volume
        self._resampler = None if rate == made_rate else Resampler(made_rate, rate)
        self._lead: int | None = None
        self._quiet = 0
        self._given = 0
        self.made = 0

    def take(self, stretch: Floats) -> bool:
        """Gives the samples on, as loud as is wanted; False when the sink wants no more."""
        loud = np.flatnonzero(np.abs(stretch) >= SILENT_BELOW)
        begun, self.made = self.made, self.made + len(stretch)
        self._quiet = len(stretch) - 1 - int(loud[-1]) if len(loud) else self._quiet + len(stretch)
        if self._lead is None:
            if not len(loud):
                return True
            at = max(0, int(loud[0]) - self._made_rate * LEAD_MS // 1000)
            self._lead = begun + at
            stretch = stretch[at:]
        pcm = (np.clip(stretch * self._volume, -1.0, 1.0) * FULL_SCALE).astype(np.int16)
        return self._give(pcm if self._resampler is None else self._resampler.feed(pcm))

    def pause(self, ms: int) -> bool:
        """Silence, so that with what is there already so much of it is at the end."""
        missing = self._made_rate * ms // 1000 - self._quiet
        return missing <= 0 or self._lead is None or self.take(np.zeros(missing, np.float32))

    def end(self) -> None:
        """Gives what the conversion to another rate still holds."""
        if self._resampler is not None:
            self._give(self._resampler.flush())

    def _give(self, pcm: Pcm) -> bool:
        size = self._rate * CHUNK_MS // 1000
        for at in range(0, len(pcm), size):
            chunk = pcm[at : at + size]
            if not self._sink(chunk):
                return False
            self._given += len(chunk)
        return True

    def heard(self, words: list[Word]) -> tuple[Word, ...]:
        """The words that the sink has taken the beginning of, counted as it counts."""
        heard: list[Word] = []
        last = -1
        for word in words:
            sample = max((word.sample - (self._lead or 0)) * self._rate // self._made_rate, last + 1, 0)
            if sample < self._given:
                heard.append(Word(word.start, word.length, sample))
                last = sample
        return tuple(heard)
