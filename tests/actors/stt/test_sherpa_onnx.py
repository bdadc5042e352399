"""The engine `sherpa_onnx`: the real library, with models of each kind that hear tones (`tone_models`)."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actors.catalogue import Unusable
from actors.pcm import Pcm
from actors.stt.engine import Hints, UnusableHints, Word
from actors.stt.sherpa_onnx import SherpaOnnx, _words
from tests.actors.stt import tone_models
from tests.actors.stt.hearing import GRAMMAR, hear
from tests.actors.stt.tone_models import tones

HINTS = Hints("en-us")
KINDS: dict[str, Callable[[Path], Path]] = {
    "transducer": tone_models.transducer,
    "zipformer2_ctc": tone_models.ctc,
    "nemo_ctc": lambda folder: tone_models.ctc(folder, kind="nemo"),
}


def noisy(pcm: Pcm) -> Pcm:
    return (pcm + np.random.default_rng(1).normal(0.0, 200.0, len(pcm))).astype(np.int16)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_model_is_known_by_its_files(tmp_path: Path, kind: str) -> None:
    stream = SherpaOnnx(KINDS[kind](tmp_path / "model")).open(HINTS)
    for text in ("high", "low low high", "lo hi lo"):
        assert hear(stream, tones(text)).text == text


@pytest.mark.parametrize(("kind", "token_ms"), [("transducer", 40), ("zipformer2_ctc", 40), ("nemo_ctc", 80)])
def test_words_lie_where_they_were_said(tmp_path: Path, kind: str, token_ms: int) -> None:
    """A tone of 160 ms begins every 240 ms, the first after 80; and models see in steps of 40 ms, NeMo's of 80."""
    hearing = hear(SherpaOnnx(KINDS[kind](tmp_path / "model")).open(HINTS), tones("low high"))
    assert [(word.text, word.start_ms, word.end_ms) for word in hearing.words] == [
        ("low", 80, 320 + token_ms),
        ("high", 560, 800 + token_ms),
    ]


def test_a_transducer_tells_how_sure_it_is(tmp_path: Path) -> None:
    stream = SherpaOnnx(tone_models.transducer(tmp_path / "model")).open(HINTS)
    clear, faint = (noisy(tones("high", amplitude)) for amplitude in (8000.0, 700.0))
    sure, unsure = hear(stream, clear), hear(stream, faint)
    assert sure.text == unsure.text == "high"
    assert 0.5 < unsure.confidence < 0.95 < sure.confidence <= 1.0
    assert unsure.words[0].confidence <= unsure.confidence, "a word is as sure as its least sure piece"


def test_the_smaller_of_two_files_is_taken(tmp_path: Path) -> None:
    folder = tone_models.transducer(tmp_path / "model")
    (folder / "encoder-epoch-9.onnx").rename(folder / "encoder-epoch-9.int8.onnx")
    (folder / "encoder-epoch-9.onnx").write_bytes(b"not looked at")
    assert hear(SherpaOnnx(folder).open(HINTS), tones("low")).text == "low"


def test_models_that_write_capitals_only_are_read_as_small_letters(tmp_path: Path) -> None:
    folder = tone_models.ctc(tmp_path / "model")
    tokens = folder / "tokens.txt"
    blank, *others = tokens.read_text().splitlines()
    tokens.write_text("\n".join([blank, *map(str.upper, others)]) + "\n")
    hearing = hear(SherpaOnnx(folder).open(HINTS), tones("low high"))
    assert hearing.text == "low high"
    assert [word.text for word in hearing.words] == ["low", "high"]


def test_a_script_without_spaces_has_no_words_but_a_text(tmp_path: Path) -> None:
    folder = tone_models.ctc(tmp_path / "model")
    (folder / "tokens.txt").write_text("<blk> 0\n你 1\n好 2\n再 3\n见 4\n")
    hearing = hear(SherpaOnnx(folder).open(Hints("zh")), tones("low high"))
    assert hearing.text == "你好再见"
    assert [word.text for word in hearing.words] in ([], ["你好再见"])


def test_it_says_that_it_takes_no_grammar(tmp_path: Path) -> None:
    engine = SherpaOnnx(tone_models.ctc(tmp_path / "model"))
    with pytest.raises(UnusableHints, match="free dictation only"):
        engine.open(Hints("en-us", GRAMMAR, strict=True))


@pytest.mark.parametrize(
    ("name", "language"),
    [("sherpa-onnx-streaming-zipformer-de-kroko", "de"), ("sherpa-onnx-streaming-zipformer-bilingual-zh-en", "")],
)
def test_the_folders_name_says_what_the_model_understands(tmp_path: Path, name: str, language: str) -> None:
    engine = SherpaOnnx(tone_models.ctc(tmp_path / name))
    engine.open(Hints(language or "en-us")).close()
    if language:
        with pytest.raises(UnusableHints, match=f'understands "{language}", not "fr"'):
            engine.open(Hints("fr"))


# -- models that cannot be used


def refusal(folder: Path) -> str:
    with pytest.raises(Unusable) as error:
        SherpaOnnx(folder)
    assert "\n" not in str(error.value)
    assert "ringmaster models setup" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("file", ["tokens.txt", "encoder-epoch-9.onnx", "decoder-epoch-9.onnx", "joiner-epoch-9.onnx"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    folder = tone_models.transducer(tmp_path / "model")
    (folder / file).unlink()
    assert f"lacks {file.replace('-epoch-9', '')}" in refusal(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_file_that_ends_too_early_is_no_end_of_the_process(tmp_path: Path, kind: str, share: float) -> None:
    for number in range(len(list(KINDS[kind](tmp_path / "whole").glob("*.onnx")))):
        folder = KINDS[kind](tmp_path / str(number))
        file = sorted(folder.glob("*.onnx"))[number]
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * share)])
        refusal(folder)


def test_random_bytes_are_no_model(tmp_path: Path) -> None:
    folder = tone_models.transducer(tmp_path / "model")
    (folder / "joiner-epoch-9.onnx").write_bytes(os.urandom(1000))
    assert "damaged or not for this engine" in refusal(folder)


@pytest.mark.parametrize("line", ["no number", "a b 3", "a"])
def test_symbols_without_numbers_are_no_end_of_the_process(tmp_path: Path, line: str) -> None:
    folder = tone_models.ctc(tmp_path / "model")
    (folder / "tokens.txt").write_text(f"<blk> 0\n{line}\n")
    assert "line 2" in refusal(folder)


def test_a_model_that_does_not_stream_is_not_tried(tmp_path: Path) -> None:
    folder = tone_models.ctc(tmp_path / "model")
    (model,) = folder.glob("*.onnx")
    model.write_bytes(model.read_bytes().replace(b"encoder_dims", b"encoder_dim_"))
    assert "no streaming model" in refusal(folder)


def test_words_are_put_together_of_pieces_and_of_capitals() -> None:
    found = _words("I am", [" I", " a", "m"], [0, 200, 400], [0.9, 0.8, 0.7], 40, 430)
    assert found == (Word("I", 0, 40, 0.9), Word("am", 200, 430, 0.7))
