"""The tiny Vosk model in the repository, heard by the real library, and the files that its scripts write.

Nothing here imports kaldifst: it and Vosk each bring an OpenFst, and one process does not survive both.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

vosk = pytest.importorskip("vosk")

from actors.pcm import resample  # noqa: E402
from bench.tiny.vosk import ballast, corpus, features, kaldi_file, network, phones, score  # noqa: E402
from bench.tiny.vosk.strangers import strangers  # noqa: E402
from bench.voices import CallerVoice  # noqa: E402

MODEL = Path(__file__).parents[3] / "models" / "tiny" / "vosk"
MOST_ERRORS = 0.10
LINE = 8000
CALLERS = (
    CallerVoice("en-us+m3", words_per_minute=150, seed=1),
    CallerVoice("en-us+f2", words_per_minute=165, pitch=60, noise_snr_db=20.0, level_dbfs=-30.0, seed=2),
    CallerVoice("en-gb+m3", words_per_minute=140, noise_snr_db=25.0, seed=3),
    CallerVoice("en-gb+f2", words_per_minute=175, level_dbfs=-16.0, seed=4),
)
"""Throats that were kept out of the training."""
NUMBERS = (
    "zero one two three",
    "four five six",
    "seven eight nine oh",
    "yes nine one four",
    "no five five two",
    "yes",
    "no",
)

TWO_WORDS = """
import sys
from pathlib import Path
import numpy as np
from bench.tiny.vosk import directory, language, network, phones
weights = network.untrained(3)
made, output = network.network(weights, np.zeros(40, np.float32), np.full(40, 10.0, np.float32))
lexicon = {"yes": {("j", "E", "s"): 1.0}, "no": {("n", "oU"): 1.0}, "know": {("n", "oU"): 1.0}}
bigrams = language.estimate([("yes", "no"), ("know",), ("[unk]",)], [*lexicon, "[unk]"])
priors = np.full(phones.PDFS, 1 / phones.PDFS)
directory.write(Path(sys.argv[1]), made, output, priors, lexicon, bigrams)
"""


@cache
def model(path: Path = MODEL) -> Any:
    vosk.SetLogLevel(-1)
    return vosk.Model(str(path))


@pytest.fixture(scope="module", autouse=True)
def _unloaded() -> Iterator[None]:
    """At the interpreter's end it would be too late: the library is gone by then."""
    yield
    model.cache_clear()


def told(text: str, voice: CallerVoice = CALLERS[0], grammar: str | None = None) -> str:
    """What the model makes of it."""
    return " ".join(score.hear(model(), tuple(text.split()), voice, LINE, grammar).heard)


def blocks(pcm: Any, rate: int) -> Iterator[bytes]:
    for at in range(0, len(pcm), rate // 50):
        yield pcm[at : at + rate // 50].tobytes()


@pytest.mark.parametrize("rate", [8000, 16000])
def test_digits_yes_and_no_are_told_apart_in_voices_that_it_was_not_trained_on(rate: int) -> None:
    heard = [score.hear(model(), tuple(text.split()), voice, rate) for voice in CALLERS for text in NUMBERS]
    wrong = [f"{line.voice.name}: {line.said} -> {line.heard}" for line in heard if line.errors]
    assert score.word_error(heard) <= MOST_ERRORS, "\n".join(wrong)


def test_the_throats_of_the_test_are_none_of_the_training() -> None:
    assert {voice.name.partition("+")[2] for voice in CALLERS} == set(corpus.HELD_OUT)
    assert not set(corpus.HELD_OUT) & set(corpus.THROATS)


def test_every_line_of_the_demo_is_heard() -> None:
    heard = [score.hear(model(), tuple(line.text.split()), CALLERS[0], LINE) for line in score.SCRIPT]
    wrong = [f"{line.said} -> {line.heard}" for line in heard if line.errors]
    assert score.word_error(heard) <= MOST_ERRORS, "\n".join(wrong)


def test_words_that_it_does_not_know_are_heard_as_unknown() -> None:
    known = {"giraffe", "window", "trumpet", "umbrella", "chocolate", "village"}
    assert known <= set(strangers())
    heard = [score.hear(model(), tuple(sorted(known)), voice, LINE) for voice in CALLERS]
    assert score.refused(heard) > 0.7, [line.heard for line in heard]


def test_a_grammar_restricts_what_is_heard() -> None:
    assert told("yes please") == "yes please"
    assert set(told("yes please", grammar='["yes", "no"]').split()) <= {"yes", "no"}
    assert told("no", grammar='["yes", "no"]') == "no"


def test_partial_results_grow_into_the_final_one_and_words_have_times() -> None:
    pcm = CALLERS[0].say("can i make an appointment on wednesday", LINE, before_ms=400, after_ms=400)
    recogniser = vosk.KaldiRecognizer(model(), LINE)
    recogniser.SetWords(True)
    partials = []
    for block in blocks(pcm, LINE):
        recogniser.AcceptWaveform(block)
        partials.append(json.loads(recogniser.PartialResult()).get("partial", ""))
    assert any(partial.startswith("can i") and "wednesday" not in partial for partial in partials)
    result = json.loads(recogniser.FinalResult())
    assert result["text"] == "can i make an appointment on wednesday"
    times = [(word["start"], word["end"]) for word in result["result"]]
    assert times == sorted(times)
    assert times[0][0] == pytest.approx(0.4, abs=0.1), "the first word begins behind 400 ms of silence"


def test_silence_is_no_word() -> None:
    pcm = np.zeros(LINE, dtype=np.int16)
    assert score.recognised(model(), pcm, LINE) == ()
    assert score.recognised(model(), resample(pcm, LINE, 16000), 16000) == ()


def test_a_model_that_is_written_anew_loads_and_takes_a_grammar(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", TWO_WORDS, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])
    made = vosk.Model(str(tmp_path))
    pcm = CALLERS[0].say("yes no", LINE, before_ms=200, after_ms=200)
    assert set(score.recognised(made, pcm, LINE)) <= {"yes", "no", "know", "[unk]"}
    assert set(score.recognised(made, pcm, LINE, '["know"]')) <= {"know"}
    before = (tmp_path / "am" / "final.mdl").read_bytes()
    subprocess.run([sys.executable, "-c", TWO_WORDS, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])
    assert (tmp_path / "am" / "final.mdl").read_bytes() == before


def test_the_library_computes_the_features_that_the_model_was_trained_on(tmp_path: Path) -> None:
    """A network that gives garbage where a cepstrum is above a threshold, and silence below it, tells its value."""
    shutil.copytree(MODEL, tmp_path, dirs_exist_ok=True)
    # Tones whose periods fit in the 10 ms between frames: every frame is the same.
    tones = sum(np.sin(2 * np.pi * np.arange(LINE) * hertz / LINE) for hertz in (300, 1100, 2400))
    pcm = np.rint(2000.0 * tones).astype(np.int16)
    ours = features.mfcc(pcm)[40]
    unlike = np.abs(ours).max() * 0.001

    def speaks(threshold: float, cepstrum: int) -> bool:
        weights = np.zeros((phones.PDFS, features.FEATURES), dtype=np.float32)
        bias = np.full(phones.PDFS, -200.0, dtype=np.float32)
        weights[phones.GARBAGE_PDF, cepstrum], bias[phones.GARBAGE_PDF] = 1000.0, -1000.0 * threshold
        bias[phones.SILENCE_PDF] = 0.0
        made = kaldi_file.Network(features.FEATURES)
        made.add("only", kaldi_file.Affine(weights, bias), "input")
        tuples = [(number, *phones.pdfs(name)) for number, (name, _) in enumerate(phones.all_phones(), 1)]
        priors = np.ones(phones.PDFS, dtype=np.float32)
        (tmp_path / "am" / "final.mdl").write_bytes(kaldi_file.model(tuples, 0.5, made, "only", priors))
        return "[unk]" in score.recognised(vosk.Model(str(tmp_path)), pcm, LINE)

    for cepstrum in (0, 1, 7, 39):
        value = float(ours[cepstrum])
        assert speaks(value - unlike, cepstrum)
        assert not speaks(value + unlike, cepstrum)


def test_ballast_changes_what_it_costs_and_not_what_is_heard(tmp_path: Path) -> None:
    parameters = ballast.load(MODEL, tmp_path, ballast.SHAPES["small"])
    assert parameters > 3_000_000
    assert (tmp_path / "am" / "final.mdl").stat().st_size > 4 * parameters
    line = score.hear(vosk.Model(str(tmp_path)), ("where", "are", "you"), CALLERS[0], LINE)
    assert line.heard == ("where", "are", "you")


def test_ballast_does_not_go_into_a_model_that_is_not_ours() -> None:
    foreign = b"<Nnet3> \ninput-node name=input dim=40\noutput-node name=output input=a objective=quadratic\n\n"
    with pytest.raises(ValueError, match="not a model of bench"):
        ballast.weighted(foreign, ballast.SHAPES["small"])


def test_labels_give_every_sound_a_result_of_its_own() -> None:
    starts = [(1000.0, 10, 11), (1010.0, 12, 13), (1020.0, 14, 15), (2000.0, 0, 0)]
    assert corpus.label(starts, 12).tolist() == [0, 0, 0, 0, 10, 12, 14, 15, 0, 0, 0, 0]


def test_the_network_looks_as_far_as_it_says() -> None:
    assert (network.BACK, network.AHEAD) == (16, 13)
