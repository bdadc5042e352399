"""The engine `vosk`: streaming dictation with Kaldi's models, many languages, on a CPU.

One model a process, one recogniser a call. Where the caller's sentence ends is not for Vosk to say: the conversation
decides that, and `finish` ends it.
"""

import json
import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from actors.catalogue import Unusable
from actors.stt import languages
from actors.stt.complaints import Loading
from actors.stt.engine import Hearing, Hints, Pcm, SttStream, UnusableHints, Word
from actors.stt.jsgf import Grammar, GrammarError, parse
from actors.stt.phrases import phrases
from actors.stt.vosk_folder import SETUP, NotAModel, VoskFolder, look_at
from actors.stt.word_graph import word_graph
from config.load import Config
from models import shelf

# Kaldi's sums are too small to be worth a second thread, and each actor has a core: OpenBLAS would make one for every
# core of the machine, which spin. It reads this when it is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    import vosk
except OSError as error:  # its library is loaded with it
    raise Unusable(
        f"the package vosk does not fit this system ({error}): install it again, or take another stt engine"
    ) from error

log = logging.getLogger(__name__)

BLOCK_S = 0.04
"""Audio given to Kaldi at a time, whatever the pieces in which it came: so the result does not depend on them. Blocks
of 20 ms cost a tenth more, longer ones nothing less; asking for the guess after each costs 0.03 to 0.3 ms."""
ERRORS_ONLY = -2
"""Kaldi's log level: its warnings are -1."""
UNKNOWN = ("[unk]", "<unk>", "<UNK>")
"""How models call the word that stands for all that they do not know."""
UNKNOWN_SHARE = 0.5
"""How often the unknown word stands in the list that a strict grammar becomes, for each phrase of it: how readily
speech is taken for something else. From 0 to 2 the same share of 192 sentences of the grammar was heard right (97.9 to
99.5 %); of 75 others 92 % were surer than 0.5 without it, 85 % with 0.5, 81 % with 2."""
KEPT_GRAMMARS = 16


class _SaidWord(msgspec.Struct):
    word: str
    start: float
    end: float
    conf: float = 1.0


class _Said(msgspec.Struct):
    """What Vosk's results hold; some have neither text nor partial."""

    text: str = ""
    partial: str = ""
    result: list[_SaidWord] = []


_decode = msgspec.json.Decoder(_Said).decode


class Vosk:
    """One loaded model, which all calls' recognisers share."""

    name = "vosk"

    def __init__(self, model: Path, *, threshold: float = 0.0, language: str = "") -> None:
        """Loads the model in the folder and hears half a second of silence with it.

        `threshold` is the least mean confidence of an utterance's words, 0 to 1, at which it counts as understood.
        `language` is what the model understands, such as "en-us"; empty: as the folder's name says, if it does.

        Raises `Unusable`.
        """
        try:
            self._folder = look_at(model)
        except NotAModel as error:
            raise Unusable(f'the stt engine "vosk" cannot start: {error}') from None
        self.sample_rate = self._folder.sample_rate
        self._language = language or self._folder.language
        self._threshold = threshold
        self._model = _loaded(self._folder)
        self._unknown = next((word for word in UNKNOWN if self._knows(word)), "")
        self._phrases = lru_cache(KEPT_GRAMMARS)(self._phrase_list)
        self._missing = lru_cache(KEPT_GRAMMARS)(self._warned_of_missing)
        stream = self.open(Hints(self._language or "en-us"))
        stream.feed(np.zeros(self.sample_rate // 2, dtype=np.int16))
        stream.finish()
        stream.close()

    @classmethod
    def of(cls, config: Config) -> Self:
        """As the configuration says. Raises `Unusable`, and `models.shelf.NoModel`."""
        own, models = config.settings.engines.vosk, config.settings.models
        path = shelf.path_of(models, "stt", own.model)
        return cls(path, threshold=own.threshold, language=languages.of_model(models, path))

    def open(self, hints: Hints) -> SttStream:
        """A recogniser for free dictation, or for the hints' grammar and nothing else where they are strict."""
        languages.check(hints, self._language, self._folder.path)
        if hints.grammar:
            self._missing(hints.grammar)
        if not (hints.strict and hints.grammar):
            return _Stream(vosk.KaldiRecognizer(self._model, self.sample_rate), self.sample_rate, self._threshold)
        if not self._folder.dynamic:
            raise UnusableHints(
                f"the model in {self._folder.path} has its sentences built in (graph/HCLG.fst), nothing else can be "
                "put in their place: take a small or an lgraph model, or leave the agent's grammar open"
            )
        expected = self._phrases(hints.grammar)
        recognizer = vosk.KaldiRecognizer(self._model, self.sample_rate, expected)
        return _Stream(recognizer, self.sample_rate, self._threshold)

    # -- grammars

    def _knows(self, word: str) -> bool:
        return int(self._model.vosk_model_find_word(word)) >= 0

    def _as_known(self, word: str) -> tuple[str, ...]:
        """The word as the model writes it: small, and perhaps in two; nothing for a word that it does not know."""
        for way in ((word,), (word.lower(),), tuple(word.lower().replace("’", "'").split("-"))):
            if all(map(self._knows, way)):
                return way
        return ()

    def _warned_of_missing(self, grammar: str) -> None:
        """Says once which of the agent's words the model can never hear."""
        try:
            words = dict.fromkeys(word.text for word in parse(grammar).words())
        except GrammarError:
            return  # who wants the grammar to be kept to is told by `_phrase_list`
        missing = [word for word in words if not self._as_known(word)]
        if missing:
            log.warning(
                "the model in %s does not know %d of the %d words that the agent expects, and hears others in their "
                "place: %s", self._folder.path, len(missing), len(words), ", ".join(sorted(missing)),
            )  # fmt: skip

    def _phrase_list(self, grammar: str) -> str:
        """The grammar as Vosk takes it: a JSON array of phrases."""
        try:
            tree: Grammar = parse(grammar)
        except GrammarError as error:
            raise UnusableHints(f"the grammar cannot be used: {error}") from None
        instead = (self._unknown,) if self._unknown else ()
        expected = []
        for phrase in phrases(word_graph(tree)):
            known = [way for word in phrase for way in (self._as_known(word) or instead)]
            if set(known) - set(instead):
                expected.append(" ".join(known))
        if not expected:
            raise UnusableHints(f"the model in {self._folder.path} knows no word of the grammar: set up another model")
        if self._unknown:
            expected += [self._unknown] * max(1, round(len(expected) * UNKNOWN_SHARE))
        return json.dumps(expected, ensure_ascii=False)  # Vosk reads no escapes


class _Stream:
    """One call's recogniser. It counts the time from its own beginning, which is the first utterance's."""

    def __init__(self, recognizer: "vosk.KaldiRecognizer", sample_rate: int, threshold: float) -> None:
        self._recognizer = recognizer
        self._recognizer.SetWords(True)
        self._rate = sample_rate
        self._threshold = threshold
        self._block = int(sample_rate * BLOCK_S)
        self._waiting = np.zeros(0, dtype=np.int16)
        self._samples = 0
        """Given to the recogniser since it was made."""
        self._began = 0
        """How many of them before this utterance."""
        self._guess = ""

    def feed(self, pcm: Pcm) -> str:
        self._waiting = np.concatenate((self._waiting, pcm))
        whole = len(self._waiting) // self._block * self._block
        if whole:
            for at in range(0, whole, self._block):
                self._take(self._waiting[at : at + self._block])
            self._waiting = self._waiting[whole:]
            self._guess = _plain(_decode(self._recognizer.PartialResult()).partial)
        return self._guess

    def finish(self) -> Hearing:
        if len(self._waiting):
            self._take(self._waiting)
            self._waiting = self._waiting[:0]
        said = _decode(self._recognizer.FinalResult()).result
        began_s = self._began / self._rate
        self._began = self._samples
        self._guess = ""
        if not said:
            return Hearing("", 0.0)
        # What is not known counts as not understood at all.
        confidence = sum(0.0 if _is_noise(word.word) else word.conf for word in said) / len(said)
        confidence = min(max(confidence, 0.0), 1.0)
        words = tuple(
            Word(word.word, _ms(word.start - began_s), _ms(word.end - began_s), min(word.conf, 1.0))
            for word in said
            if not _is_noise(word.word)
        )
        if not words or confidence < self._threshold:
            return Hearing("", confidence)
        return Hearing(" ".join(word.text for word in words), confidence, words)

    def close(self) -> None:
        del self._recognizer

    def _take(self, block: Pcm) -> None:
        # Whether Vosk thinks that the sentence has ended (a returned 1) is left alone: it goes on as if not. `finish`
        # does not suffer, it takes the same 10 ms after 2 s as after 60.
        self._recognizer.AcceptWaveform(block.tobytes())
        self._samples += len(block)


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _is_noise(word: str) -> bool:
    """Not a word, but a name for something else: "[unk]", "[laughter]", "<noise>"."""
    return word.startswith(("[", "<"))


def _plain(text: str) -> str:
    return " ".join(word for word in text.split() if not _is_noise(word))


def _loaded(folder: VoskFolder) -> "vosk.Model":
    """The model. Raises `Unusable`."""
    vosk.SetLogLevel(ERRORS_ONLY)
    files = (file for file in folder.path.rglob("*") if file.is_file())
    with Loading("vosk", folder.path, files, f"fetch it again, {SETUP}"):
        model = vosk.Model(str(folder.path))
        vosk.KaldiRecognizer(model, folder.sample_rate)  # only this looks whether the graph could be read
        return model
