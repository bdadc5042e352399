"""The engine `pocketsphinx`: hears the sentences of a grammar on a small processor, with the model in its wheel.

Beside the grammar runs a loop of single phones, the garbage: "um" before a sentence is spelled out there, and so is
speech that is no sentence at all. A phone in the loop costs more than one in the grammar, so the grammar wins where it
fits. What comes out is judged once more (`_confidence`): some sentence of the grammar fits a part of any long speech.
"""

import math
import os
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import pocketsphinx
from msgspec import structs

from actors.stt.engine import Hearing, Hints, Pcm, SttStream, UnusableHints
from actors.stt.jsgf import GrammarError, parse
from actors.stt.line import Line
from actors.stt.narrowband import files
from actors.stt.pronunciations import Pronunciations, with_british
from actors.stt.word_graph import WordGraph, word_graph
from config.load import Config

PHONES = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
"""All of the model's."""
SILENCE = "<sil>"
BLOCK = 320
"""Samples given to the decoder at a time, 20 ms: the result does not depend on how the caller cuts the speech."""
NO_WORD = "(NULL)"
"""Name of the silent arcs in the decoder's result."""
FRAME_SECONDS = 0.01
NATS = 1024.0
"""In one of the decoder's scores, of which it gives the exponential."""
TINY = 1e-300
LEAST_LIKELIHOOD = -30.0
"""Natural logarithm of the odds that something was said: one in 10**13 is never enough."""
LEVEL_CHECKS = (20, 40, 80)
"""After so many blocks of a call's first utterance its level is looked at: 0.4, 0.8 and 1.6 s."""
MODEL = "en-us"
AMERICAN = ("en", "en-us", "en-ca")
KEPT_GRAMMARS = 16
GARBAGE_POWER = 12
"""Scales the setting: each phone in the garbage is paid for as 12 that are as likely as it says."""


class Pocketsphinx:
    """Each call has a decoder of its own (4 MB, 40 to 70 ms to make), with the words of its grammar."""

    name = "pocketsphinx"
    sample_rate = 16000

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        garbage: float = 0.1,
        beam: float = 1e-54,
        dictionary: str = "",
    ) -> None:
        """Takes what decides between hearing wrong and not hearing, and how much the search may cost.

        `threshold` is the least confidence, 0 to 1, at which speech counts as understood. `garbage`, 0 to 1, is how
        readily speech is spelled out instead of understood; at 0 it never is. `beam` is how unlikely beside the best a
        hypothesis may be and still be followed: 1e-60 takes a quarter more time and hears no better. `dictionary` is
        the path of a file with words that the model's dictionary lacks, names above all, or says otherwise.

        Raises OSError if the dictionary cannot be read.
        """
        self._threshold = threshold
        self._garbage_weight = garbage**GARBAGE_POWER
        model = Path(pocketsphinx.get_model_path(MODEL))
        self._pronunciations = Pronunciations(model / "cmudict-en-us.dict", Path(dictionary) if dictionary else None)
        fillers = "<s> SIL\n</s> SIL\n<sil> SIL\n"
        fillers += "".join(f"{_garbage(phone)} {phone}\n" for phone in PHONES.split())
        self._settings: dict[str, str | float | None] = {
            **{setting: _in_memory(text) for setting, text in files().items()},
            "hmm": str(model / MODEL),
            "dict": None,
            "fdict": _in_memory(fillers),
            "lm": None,
            "loglevel": "FATAL",
            "beam": beam,
            "pbeam": beam,
            "wbeam": beam ** (2 / 3),
            # Searching the lattice of the whole utterance when it ends delays the answer by 0.3 s, at worst by 3 s.
            "bestpath": False,
            # It would make the phones of the garbage heard between any two words.
            "fsgusefiller": False,
        }
        self._graph = lru_cache(KEPT_GRAMMARS)(self._parsed)
        stream = self.open(Hints("en-us", "#JSGF V1.0; public <ready> = ready;"))
        stream.feed(np.zeros(self.sample_rate // 2, dtype=np.int16))
        stream.finish()
        stream.close()

    @classmethod
    def of(cls, config: Config) -> Self:
        """As the configuration says."""
        return cls(**structs.asdict(config.settings.engines.pocketsphinx))

    def open(self, hints: Hints) -> SttStream:
        """A decoder with the hints' grammar, in English: in American English, or else as it is said elsewhere too."""
        if hints.language.partition("-")[0] != "en":
            raise UnusableHints(f'pocketsphinx hears English only, not "{hints.language}": give it en-us')
        if not hints.grammar:
            raise UnusableHints("pocketsphinx does not take dictation: give it a grammar")
        graph = self._graph(hints.grammar)
        decoder = pocketsphinx.Decoder(**self._settings)
        for word in {arc.word for arc in graph.arcs}:
            ways = self._pronunciations.of(word)
            if hints.language not in AMERICAN:
                ways = with_british(ways)
            for number, phones in enumerate(ways, 1):
                decoder.add_word(word if number == 1 else f"{word}({number})", phones, False)
        transitions, start, end = _with_garbage(graph, self._garbage_weight)
        network = decoder.create_fsg("grammar", start, end, transitions)
        network.add_silence(SILENCE, -1, 0.1)  # 0.005, the default, costs 2 of 140 sentences: callers pause
        decoder.add_fsg("grammar", network)
        decoder.activate_search("grammar")
        return _Stream(decoder, self._threshold)

    def _parsed(self, grammar: str) -> WordGraph:
        try:
            tree = parse(grammar)
        except GrammarError as error:
            raise UnusableHints(f"the grammar cannot be used: {error}") from None
        for word in tree.words():
            ways = self._pronunciations.of(word.text)
            if unknown := {phone for way in ways for phone in way.split()} - set(PHONES.split()):
                raise UnusableHints(
                    f'the dictionary says "{word.text}" with {", ".join(sorted(unknown))}: the phones are {PHONES}'
                )
            if not ways:
                raise UnusableHints(
                    f'the grammar\'s word "{word.text}" (line {word.line}) is not in the dictionary: '
                    "write it as it is spoken, or add it to the file that the setting dictionary names"
                )
        return word_graph(tree)


class _Stream:
    """One call's decoder, fed block by block."""

    def __init__(self, decoder: pocketsphinx.Decoder, threshold: float) -> None:
        self._decoder = decoder
        self._threshold = threshold
        self._waiting = np.zeros(0, dtype=np.int16)
        self._line: Line | None = Line()
        """Until something was understood; from then on the decoder knows the call's mean cepstra itself."""
        self._blocks: list[Pcm] = []
        self._blocks_taken = 0

    def feed(self, pcm: Pcm) -> str:
        self._waiting = np.concatenate((self._waiting, pcm))
        whole = len(self._waiting) // BLOCK * BLOCK
        for at in range(0, whole, BLOCK):
            self._process(self._waiting[at : at + BLOCK])
        self._waiting = self._waiting[whole:]
        return self._heard().text if self._blocks_taken else ""

    def finish(self) -> Hearing:
        if len(self._waiting):
            self._process(self._waiting)
            self._waiting = self._waiting[:0]
        if not self._blocks_taken:
            return Hearing("", 0.0)
        if self._line is not None and self._blocks_taken <= LEVEL_CHECKS[-1]:
            self._check_level(self._line)
        mean_before = self._decoder.get_cmn()
        self._decoder.end_utt()
        self._blocks, self._blocks_taken = [], 0
        heard = self._heard()
        if heard.text:
            self._line = None
        else:
            # What was not understood may have been noise: the call's mean cepstra shall not drift towards it.
            self._decoder.set_cmn(mean_before)
        return heard

    def close(self) -> None:
        del self._decoder

    def _process(self, block: Pcm) -> None:
        if not self._blocks_taken:
            if self._line is not None:
                self._decoder.set_cmn(self._line.mean)
            self._decoder.start_utt()
        self._decoder.process_raw(block.tobytes())
        self._blocks_taken += 1
        if self._line is not None and self._blocks_taken <= LEVEL_CHECKS[-1]:
            self._line.listen(block)
            self._blocks.append(block)
            if self._blocks_taken in LEVEL_CHECKS:
                self._check_level(self._line)

    def _check_level(self, line: Line) -> None:
        """Begins the utterance again if it is much louder or quieter than was assumed. Takes 5 ms for 100 ms of it."""
        if line.adopt():
            self._decoder.end_utt()
            self._decoder.set_cmn(line.mean)
            self._decoder.start_utt()
            for block in self._blocks:
                self._decoder.process_raw(block.tobytes())

    def _heard(self) -> Hearing:
        """What the decoder has so far, unless it is more likely something else."""
        segments = [segment for segment in self._decoder.seg() or () if segment.word not in (SILENCE, NO_WORD)]
        words = [segment for segment in segments if not segment.word.startswith("++")]
        if not words:
            return Hearing("", 0.0)
        confidence = _confidence(words, _frames(segments))
        if confidence < self._threshold:
            return Hearing("", confidence)
        return Hearing(" ".join(segment.word.partition("(")[0] for segment in words), confidence)


def _confidence(words: list[pocketsphinx.Segment], frames: int) -> float:
    """How likely the words were said, of speech `frames` long with its garbage.

    Two things tell: how much of the speech is garbage, and how far each frame is, in nats, behind the sound that would
    fit it best (3.5 in speech understood right, 5.4 otherwise). The weights are those of a logistic regression on 400
    sentences of two grammars and 200 others, in 9 voices at 20 to 30 dB over noise.
    """
    distances = [-NATS * math.log(max(word.ascore, TINY)) for word in words]
    garbage = 1.0 - _frames(words) / frames
    worst = max(distance / _frames([word]) for distance, word in zip(distances, words, strict=True))
    mean = sum(distances) / _frames(words)
    seconds = _frames(words) * FRAME_SECONDS
    likelihood = 15.4 - 15.2 * garbage - 0.30 * worst - 2.2 * mean - 3.3 * math.log(seconds)
    return 1.0 / (1.0 + math.exp(-max(likelihood, LEAST_LIKELIHOOD)))


def _frames(segments: list[pocketsphinx.Segment]) -> int:
    return sum(segment.end_frame - segment.start_frame + 1 for segment in segments)


def _in_memory(text: str) -> str:
    """The path of a file with this text, which is gone with the process, however that ends. pocketsphinx takes paths
    only, and reads the files for each decoder."""
    descriptor = os.memfd_create("pocketsphinx")
    os.write(descriptor, text.encode())
    return f"/proc/self/fd/{descriptor}"


def _garbage(phone: str) -> str:
    return f"++{phone}++"


def _with_garbage(
    graph: WordGraph, weight: float
) -> tuple[list[tuple[int, int, float] | tuple[int, int, float, str]], int, int]:
    """Arcs of the graph with garbage before it, after it and in its place; the first state and the last.

    The decoder follows one silent arc after another only within one step: no two of them may lie in a row.
    """
    before, after, start, end = range(graph.states, graph.states + 4)
    spoken = [(arc.start, arc.end, arc.weight, arc.word) for arc in graph.arcs]
    for phone in map(_garbage, PHONES.split()):
        spoken += [(start, before, weight, phone), (before, before, weight, phone), (after, after, weight, phone)]
        spoken += [(last, after, weight, phone) for last in graph.ends]
    silent = [(start, 0), (before, 0), (before, end), (after, end), (start, end), *((last, end) for last in graph.ends)]
    return [*spoken, *((here, there, 1.0) for here, there in silent)], start, end
