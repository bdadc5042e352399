"""The tiny voice: what it is asked with, and whether what it says can be told apart."""

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from piper.patch_voice_with_alignment import add_alignment_output

FOLDER = Path(__file__).parents[3] / "models" / "tiny" / "voice"
FILE = FOLDER / "en_US-tiny.onnx"
CARD = json.loads(FILE.with_name(f"{FILE.name}.json").read_text())
IDS: dict[str, list[int]] = CARD["phoneme_id_map"]
RATE: int = CARD["audio"]["sample_rate"]

Wave = NDArray[np.float32]


@pytest.fixture(scope="module")
def session() -> Any:
    """The voice, which also tells how long each phoneme lasts, as Piper's own tool makes it."""
    import onnx

    model = onnx.load(str(FILE))
    add_alignment_output(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def ids_of(phonemes: str) -> list[int]:
    """As Piper makes them: each phoneme with padding behind it."""
    ids = [*IDS["^"], *IDS["_"]]
    for phoneme in phonemes:
        ids += [*IDS[phoneme], *IDS["_"]]
    return [*ids, *IDS["$"]]


def say(session: Any, phonemes: str, noise: float = 0.0, length: float = 1.0, uneven: float = 0.0) -> tuple[Wave, Any]:
    """The samples, and of each phoneme's id how many frames it lasts."""
    ids = ids_of(phonemes)
    wave, frames = session.run(
        None,
        {
            "input": np.array([ids]),
            "input_lengths": np.array([len(ids)]),
            "scales": np.array([noise, length, uneven], np.float32),
        },
    )
    assert wave.shape[:2] == (1, 1)
    return wave[0, 0], frames.reshape(-1)


def test_its_inputs_and_outputs_are_pipers() -> None:
    plain = onnxruntime.InferenceSession(str(FILE))
    inputs = {value.name: (value.type, len(value.shape)) for value in plain.get_inputs()}
    assert inputs == {
        "input": ("tensor(int64)", 2),
        "input_lengths": ("tensor(int64)", 1),
        "scales": ("tensor(float)", 1),
    }
    (output,) = plain.get_outputs()
    assert (output.name, output.type, len(output.shape)) == ("output", "tensor(float)", 3)
    pair = onnxruntime.InferenceSession(str(FOLDER / "en_US-tiny-pair.onnx"))
    assert {value.name for value in pair.get_inputs()} == {*inputs, "sid"}


def test_it_is_small_enough_to_be_in_the_repository() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1.5e6


def test_each_scale_does_what_it_does_in_a_real_voice(session: Any) -> None:
    phonemes = "hɛlˈoʊ ðɛɹ."
    once, _ = say(session, phonemes)
    assert np.array_equal(once, say(session, phonemes)[0])
    wavering, frames = say(session, phonemes, noise=0.667)
    assert len(wavering) == len(once) and not np.array_equal(wavering, once)
    assert frames.sum() * CARD["hop_length"] == len(once)
    assert len(say(session, phonemes, length=2.0)[0]) == pytest.approx(2 * len(once), rel=0.1)
    lengths = {len(say(session, phonemes, uneven=0.8)[0]) for _ in range(8)}
    assert len(lengths) > 1


def test_its_level_is_that_of_speech(session: Any) -> None:
    wave, _ = say(session, "wiː ɑːɹ ˈoʊpən fɹʌm nˈaɪn tə fˈaɪv.")
    assert 0.3 < np.abs(wave).max() <= 1.0
    assert 0.05 < np.sqrt(np.mean(wave**2)) < 0.3


# -- phonemes

VOWELS = "iɑuɛɔæɪʌ"
FRICATIVES = "sʃfz"
SONORANTS = "mnlɹ"
STOPS = "ptk"
CONTEXTS = (("", "tə"), ("ə", "bə"), ("də", "mə"), ("mə", "də"), ("bə", "tə"), ("tə", "nə"))


def spectrum(session: Any, before: str, phoneme: str, after: str) -> NDArray[np.float64]:
    """The mean spectrum of one phoneme among others, in 24 bands, as loud as the mean."""
    text = f"{before}{phoneme}{after}."
    wave, frames = say(session, text)
    at = 2 + 2 * len(before)
    ends = np.cumsum(frames) * CARD["hop_length"]
    first, last = int(ends[at - 1]), int(ends[at])
    piece = wave[first:last].astype(np.float64)
    size = 320
    windows = [piece[at : at + size] for at in range(0, max(len(piece) - size, 1), 80)]
    power = np.mean([np.abs(np.fft.rfft(window * np.hanning(len(window)), 512)) ** 2 for window in windows], axis=0)
    edges = np.rint(700 * np.expm1(np.linspace(0, np.log1p(7600 / 700), 25)) * 512 / RATE).astype(int)
    bands = [power[low : max(high, low + 1)].sum() for low, high in itertools.pairwise(edges)]
    level = np.log10(np.array(bands) + 1e-9)
    return np.asarray(level - level.mean())


def told_apart(session: Any, phonemes: str) -> float:
    """The share that is recognised in a context by how they sound on average in the others."""
    seen = {(p, c): spectrum(session, c[0], p, c[1]) for p in phonemes for c in CONTEXTS}
    right = 0
    for (phoneme, context), heard in seen.items():
        known = {p: np.mean([seen[p, c] for c in CONTEXTS if c != context], axis=0) for p in phonemes}
        right += min(known, key=lambda p: float(np.sum((known[p] - heard) ** 2))) == phoneme
    return right / len(seen)


@pytest.mark.parametrize(
    ("phonemes", "least"),
    [(VOWELS, 0.8), (FRICATIVES, 0.8), (SONORANTS, 0.8), (STOPS, 0.6), (VOWELS + FRICATIVES, 0.8)],
)
def test_phonemes_are_told_apart(session: Any, phonemes: str, least: float) -> None:
    assert told_apart(session, phonemes) >= least


# -- words

WORDS = """
zero one two three four five six seven eight nine ten eleven twelve monday tuesday wednesday thursday friday saturday
sunday yes no open closed hello goodbye street doctor visit number name please thank you sorry help
""".split()  # noqa: SIM905


def test_a_recogniser_that_has_never_heard_it_understands_most_words(session: Any) -> None:
    from piper.phonemize_espeak import EspeakPhonemizer
    from pocketsphinx import Decoder, get_model_path

    model = Path(get_model_path()) / "en-us"
    decoder = Decoder(hmm=str(model / "en-us"), dict=str(model / "cmudict-en-us.dict"), lm=None, loglevel="FATAL")
    decoder.add_jsgf_string("words", f"#JSGF V1.0; grammar words; public <words> = ({' | '.join(WORDS)})+;")
    decoder.activate_search("words")
    phonemizer, drawn = EspeakPhonemizer(), random.Random(5)
    wrong = total = 0
    for _ in range(8):
        said = drawn.sample(WORDS, 4)
        (phonemes,) = phonemizer.phonemize("en-us", " ".join(said) + ".")
        wave, _ = say(session, "".join(phonemes))
        line = np.pad(wave * 20000, RATE // 5) + np.random.default_rng(0).normal(0, 3, len(wave) + 2 * (RATE // 5))
        decoder.start_utt()
        decoder.process_raw(line.astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        wrong += distance(said, hypothesis.hypstr.split() if hypothesis else [])
        total += len(said)
    assert wrong / total < 0.4


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words that are wrong, missing or too many."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        left = [number]
        for at, other in enumerate(heard, 1):
            left.append(min(row[at] + 1, left[-1] + 1, row[at - 1] + (word != other)))
        row = left
    return row[-1]


# -- how it is made


@pytest.mark.parametrize(("name", "speakers"), [("en_US-tiny", ("low",)), ("en_US-tiny-pair", ("low", "high"))])
def test_it_is_what_the_script_draws_of_its_weights(name: str, speakers: tuple[str, ...]) -> None:
    pytest.importorskip("jax")
    import onnx

    from bench.tiny.voice import __main__ as script
    from bench.tiny.voice import aligned, graph, network

    there = onnx.load(str(FOLDER / f"{name}.onnx"))
    named = {weight.name: onnx.numpy_helper.to_array(weight) for weight in there.graph.initializer}
    weights = {name: weight for name, weight in named.items() if not name.startswith("constant_")}
    silent = np.zeros(network.SYMBOLS, np.float32)
    silent[[IDS[symbol][0] for symbol in aligned.SILENT_IDS]] = 1
    assert graph.draw(weights, silent, [script.SPEAKERS[speaker] for speaker in speakers]) == there
    assert script.card(speakers) == json.loads((FOLDER / f"{name}.onnx.json").read_text())


def test_espeaks_phonemes_lie_where_piper_has_them() -> None:
    from bench.tiny.voice.aligned import utterances

    spoken = list(utterances(12, 3, RATE, 160))
    assert len(spoken) >= 12
    for said in spoken:
        assert len(said.ids) == len(said.frames)
        assert len(said.pcm) == said.frames.sum() * 160
        assert said.frames[said.ids == IDS["_"][0]].sum() == 0
    vowels = [
        np.sqrt(np.mean(said.pcm[(end - frames) * 160 : end * 160] ** 2))
        for said in spoken
        for number, frames, end in zip(said.ids, said.frames, np.cumsum(said.frames), strict=True)
        if number == IDS["æ"][0] and frames
    ]
    stops = [
        np.sqrt(np.mean(said.pcm[(end - frames) * 160 : end * 160] ** 2))
        for said in spoken
        for number, frames, end in zip(said.ids, said.frames, np.cumsum(said.frames), strict=True)
        if number in (IDS["."][0], IDS[","][0]) and frames
    ]
    assert min(vowels) > 20 * max(np.median(stops), 1e-4)
