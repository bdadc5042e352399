"""The engine `piper`, on the tiny voice, and on small voices of a real one's form whose weights are drawn by chance."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from actors.catalogue import Unusable
from actors.tts import voice_parts
from actors.tts.engine import Pcm, UnusableVoice, Voice, Word
from actors.tts.piper import PAUSES_MS, Piper
from actors.tts.voice_file import VoiceFile
from bench.shapes import voice as shapes

TINY = Path(__file__).parents[3] / "models" / "tiny" / "voice"
SMALL = replace(shapes.MEDIUM, channels=32, filter=64, layers=1, flows=2, flow_layers=1, decoder=32, speaker_channels=8)
SENTENCE = "We are open from nine to five on weekdays, and closed on Sunday."


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a voice of the true form, `one`, and one of three speakers, `three`."""
    folder = tmp_path_factory.mktemp("voices")
    shapes.make(folder / "one.onnx", SMALL)
    shapes.make(folder / "three.onnx", replace(SMALL, speakers=3))
    return folder


@pytest.fixture(scope="module")
def tiny() -> Piper:
    return Piper(TINY / "en_US-tiny.onnx", threads=1)


def say(engine: Piper, text: str, voice: str = "", wpm: int = 165) -> tuple[Pcm, tuple[Word, ...]]:
    chunks: list[Pcm] = [np.zeros(0, np.int16)]

    def sink(pcm: Pcm) -> bool:
        chunks.append(pcm)
        return True

    words = engine.synthesize(text, Voice(voice, words_per_minute=wpm), sink)
    return np.concatenate(chunks), words


def still(file: VoiceFile, text: str, speaker: int | None = None) -> tuple[Any, Any]:
    """What a voice says without any chance in it, and each phoneme's samples."""
    ids, _ = file.ids(file.spell(text)[0])
    run = file.say(ids, file.manner(1.0, 0.0, 0.0, speaker), onnxruntime.RunOptions())
    return np.concatenate(list(run.stretches)), run.lengths


# -- a voice in two parts


@pytest.mark.parametrize(("name", "speaker"), [("one", None), ("three", 0), ("three", 2)])
def test_stretch_by_stretch_it_says_what_it_says_as_a_whole(voices: Path, name: str, speaker: int | None) -> None:
    file = VoiceFile(voices / f"{name}.onnx", 1)
    assert file.in_stretches
    pieces, _ = still(file, SENTENCE, speaker)
    file._open(in_two=False)
    assert not file.in_stretches
    whole, _ = still(file, SENTENCE, speaker)
    assert len(whole) > 3 * file.sample_rate
    assert np.abs(whole).max() > 0.01
    assert np.abs(pieces - whole).max() < 1e-3 * np.abs(whole).max()


def test_speakers_of_a_voice_in_two_parts_differ(voices: Path) -> None:
    file = VoiceFile(voices / "three.onnx", 1)
    first, second = (still(file, "Hello there.", speaker)[0] for speaker in (0, 1))
    assert len(first) == len(second) and np.abs(first - second).max() > 0.01


def test_its_first_samples_come_before_most_of_it_has_been_computed(voices: Path) -> None:
    engine = Piper(voices / "one.onnx", threads=1)
    order: list[str] = []

    class Resting:
        def __call__(self, pcm: Pcm) -> bool:
            order.append("samples")
            return True

        def rest(self) -> bool:
            order.append("rest")
            return True

    engine.synthesize(SENTENCE, Voice(), Resting())
    computed_before = order[: order.index("samples")].count("rest")
    assert computed_before == 1
    assert order.count("rest") > 3


def test_a_decoder_that_sees_further_than_its_stretches_is_left_whole(voices: Path, tmp_path: Path) -> None:
    far = replace(SMALL, blocks=((7, (40, 160)),))
    shapes.make(tmp_path / "far.onnx", far)
    file = VoiceFile(tmp_path / "far.onnx", 1)
    assert not file.in_stretches
    assert len(still(file, "Hello there.")[0]) > 0


def test_what_is_read_inside_of_a_branch_goes_with_its_part(voices: Path, tmp_path: Path) -> None:
    model = onnx.load(str(voices / "one.onnx"))
    last = model.graph.node[-1]
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", list(last.input), ["inside"])],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("inside", onnx.TensorProto.FLOAT, None)],
    )
    always = onnx.helper.make_node(
        "Constant", [], ["always"], value=onnx.helper.make_tensor("true", onnx.TensorProto.BOOL, [], [True])
    )
    either = onnx.helper.make_node("If", ["always"], ["output"], then_branch=branch, else_branch=branch)
    del model.graph.node[-1]
    model.graph.node.extend([always, either])
    onnx.save(model, str(tmp_path / "one.onnx"))
    shutil.copy(voices / "one.onnx.json", tmp_path)
    plain, branching = VoiceFile(voices / "one.onnx", 1), VoiceFile(tmp_path / "one.onnx", 1)
    assert branching.in_stretches
    assert np.allclose(still(plain, "Hello there.")[0], still(branching, "Hello there.")[0], atol=1e-5)


def test_a_voice_of_another_form_is_left_whole(tiny: Piper) -> None:
    parts = voice_parts.cut(TINY / "en_US-tiny.onnx")
    assert parts.back is None and parts.durations


# -- words


@pytest.mark.parametrize("name", ["tiny", "one"])
def test_phonemes_last_as_long_as_the_audio(voices: Path, name: str) -> None:
    file = VoiceFile(TINY / "en_US-tiny.onnx" if name == "tiny" else voices / "one.onnx", 1)
    pcm, lengths = still(file, SENTENCE)
    assert file.exact and lengths.sum() == len(pcm)


def test_where_a_voice_does_not_tell_the_usual_lengths_are_near(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Piper(TINY / "en_US-tiny.onnx", noise=0.0, noise_w=0.0)
    _, told = say(engine, SENTENCE)
    monkeypatch.setattr(engine._default, "_durations", "")
    _, guessed = say(engine, SENTENCE)
    assert [word.start for word in told] == [word.start for word in guessed]
    off = [abs(one.sample - other.sample) / engine.sample_rate for one, other in zip(told, guessed, strict=True)]
    assert np.mean(off) < 0.15 and max(off) < 0.3, off


def test_a_word_begins_where_its_sound_does(tiny: Piper) -> None:
    pcm, words = say(tiny, "Yes, seven.")
    quiet = np.abs(pcm.astype(np.int32)) < 100
    pause = words[1].sample
    assert quiet[pause - 800 : pause - 160].mean() > 0.9, "silence stands at the comma"
    assert not quiet[pause + 160 : pause + 1600].all()


# -- manner


def test_a_clause_ends_in_the_pause_of_its_punctuation_and_goes_on_without_any(tiny: Piper) -> None:
    for end, least in (*((mark, ms) for mark, ms in PAUSES_MS.items() if mark != "…"), ("", 0)):
        pcm, _ = say(tiny, f"We are open{end}")
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 66)
        tail_ms = (len(pcm) - loud[-1]) * 1000 / tiny.sample_rate
        assert tail_ms >= least - 1, end
        assert end or tail_ms < 100


def test_the_pace_is_what_was_asked_for(tiny: Piper) -> None:
    slow, fast = (len(say(tiny, SENTENCE, wpm=wpm)[0]) for wpm in (110, 220))
    assert slow / fast == pytest.approx(2.0, rel=0.15)


def test_loudness_is_the_voices_own_times_the_volume_and_not_made_anew_for_each_clause() -> None:
    loud, soft = (Piper(TINY / "en_US-tiny.onnx", volume=volume, noise=0.0, noise_w=0.0) for volume in (0.8, 0.4))
    for text in ("Hello there.", "Shh."):
        one, other = (say(engine, text)[0].astype(float) for engine in (loud, soft))
        assert np.abs(one - 2 * other).max() <= 2


def test_without_chance_the_same_clause_is_the_same_samples() -> None:
    engine = Piper(TINY / "en_US-tiny.onnx", noise=0.0, noise_w=0.0)
    assert np.array_equal(say(engine, SENTENCE)[0], say(engine, SENTENCE)[0])


# -- speakers and voices


def test_a_speaker_is_called_by_name_or_number(voices: Path) -> None:
    engine = Piper(TINY / "en_US-tiny-pair.onnx", noise=0.0, noise_w=0.0)
    low, high, second = (say(engine, "Hello there.", name)[0] for name in ("low", "high", "1"))
    assert np.array_equal(high, second) and not np.array_equal(low, high)
    assert np.array_equal(say(engine, "Hello there.")[0], low), "the first one is the default"
    assert _pitch(high, engine.sample_rate) > 1.4 * _pitch(low, engine.sample_rate)


def _pitch(pcm: Pcm, rate: int) -> float:
    wave = pcm[: rate // 2].astype(float)
    likeness = np.correlate(wave, wave, "full")[len(wave) - 1 :]
    shortest = rate // 300
    return rate / (shortest + int(likeness[shortest : rate // 60].argmax()))


def test_a_speaker_that_there_is_not_is_answered_with_those_that_there_are(voices: Path) -> None:
    engine = Piper(voices / "three.onnx", threads=1)
    with pytest.raises(UnusableVoice, match=r'the voice three has no speaker "p9"\. It has p0, p1, p2'):
        say(engine, "Hello.", "three:p9")
    with pytest.raises(UnusableVoice, match=r'no voice "7".*three has the speakers p0, p1, p2'):
        say(engine, "Hello.", "7")


def test_a_voice_beside_the_default_one_is_loaded_once_and_speaks_at_the_default_ones_rate(voices: Path) -> None:
    for file in TINY.glob("en_US-tiny.onnx*"):
        shutil.copy(file, voices)
    engine = Piper(voices / "one.onnx", threads=1)
    pcm, words = say(engine, SENTENCE, "en_US-tiny")
    (loaded,) = engine._voices.values()
    say(engine, SENTENCE, "en_US-tiny")
    assert engine._voices["en_US-tiny"] is loaded
    alone, alone_words = say(Piper(TINY / "en_US-tiny.onnx"), SENTENCE)
    assert engine.sample_rate == 22050
    assert len(pcm) / 22050 == pytest.approx(len(alone) / 16000, rel=0.1)
    assert len(words) == len(alone_words) == 13
    assert words[-1].sample / 22050 == pytest.approx(alone_words[-1].sample / 16000, abs=0.3)


def test_a_name_that_leads_out_of_the_folder_is_no_voice(tiny: Piper) -> None:
    with pytest.raises(UnusableVoice, match=r"no voice \"\.\./voice/en_US-tiny\""):
        say(tiny, "Hello.", "../voice/en_US-tiny")


# -- cancelling


def test_a_run_is_ended_in_the_middle(tiny: Piper) -> None:
    class Stopping:
        given = 0

        def __call__(self, pcm: Pcm) -> bool:
            self.given += len(pcm)
            return True

        def rest(self) -> bool:
            tiny.stop(self)
            return True

    sink = Stopping()
    assert tiny.synthesize("word " * 60, Voice(), sink) == ()
    assert sink.given == 0
    assert len(say(tiny, "Hello there.")[0]) > 0


def test_stopping_what_does_not_run_does_nothing(tiny: Piper) -> None:
    tiny.stop(lambda pcm: True)


# -- files that are no good


def _json(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        file = folder / "voice.onnx.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return damage


def _truncate(folder: Path) -> None:
    file = folder / "voice.onnx"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _another_network(folder: Path) -> None:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["audio"], ["text"])],
        "recogniser",
        [value("audio", onnx.TensorProto.FLOAT, [1])],
        [value("text", onnx.TensorProto.FLOAT, [1])],
    )
    opset = onnx.helper.make_opsetid("", 15)
    (folder / "voice.onnx").write_bytes(onnx.helper.make_model(graph, opset_imports=[opset]).SerializeToString())


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "voice.onnx").unlink(), r"there is no voice at .*models setup"),
        (lambda folder: (folder / "voice.onnx.json").unlink(), r"lacks its description voice\.onnx\.json"),
        (lambda folder: (folder / "voice.onnx.json").write_text("<html>"), "is no description of a Piper voice"),
        (lambda folder: (folder / "voice.onnx.json").write_text("[]"), "is no description of a Piper voice"),
        (_json(lambda content: content.pop("audio")), r"no description of a Piper voice \(KeyError: 'audio'\)"),
        (_json(lambda content: content["phoneme_id_map"].pop("^")), r"no description of a Piper voice"),
        (_truncate, r"cannot be loaded \(.*download it again"),
        (lambda folder: (folder / "voice.onnx").write_bytes(b""), r"is no Piper voice|cannot be loaded"),
        (_another_network, "is no Piper voice: its inputs are audio"),
        (
            _json(lambda content: content.update(num_speakers=4)),
            "says 4 speakers, and the voice has not",
        ),
        (
            _json(lambda content: content["phoneme_id_map"].update({"q": [300]})),
            "cannot say all of its phonemes .*Download both again",
        ),
        (_json(lambda content: content["espeak"].update(voice="xx-nowhere")), 'the espeak voice "xx-nowhere"'),
        (
            _json(lambda content: content.update(phoneme_type="klingon")),
            'phonemes of the kind "klingon".*choose a voice with espeak or text',
        ),
        (_json(lambda content: content.update(phoneme_type="japanese")), 'phonemes of the kind "japanese", for which'),
    ],
)
def test_what_is_wrong_with_a_voice_is_said_in_one_sentence_with_the_remedy(
    tmp_path: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    for ending in (".onnx", ".onnx.json"):
        shutil.copy(TINY / f"en_US-tiny{ending}", tmp_path / f"voice{ending}")
    damage(tmp_path)
    with pytest.raises(Unusable, match=sentence) as raised:
        Piper(tmp_path / "voice.onnx", threads=1)
    assert "\n" not in str(raised.value)


def test_a_voice_of_several_speakers_whose_json_knows_one_is_refused(voices: Path, tmp_path: Path) -> None:
    shutil.copy(voices / "three.onnx", tmp_path / "voice.onnx")
    shutil.copy(voices / "one.onnx.json", tmp_path / "voice.onnx.json")
    with pytest.raises(Unusable, match="says 1 speakers, and the voice has the input `sid`"):
        Piper(tmp_path / "voice.onnx", threads=1)


def test_a_voice_beside_the_default_one_that_is_no_good_is_told_as_unusable_voice(tmp_path: Path) -> None:
    for ending in (".onnx", ".onnx.json"):
        shutil.copy(TINY / f"en_US-tiny{ending}", tmp_path / f"good{ending}")
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    engine = Piper(tmp_path / "good.onnx", threads=1)
    with pytest.raises(UnusableVoice, match=r"lacks its description bad\.onnx\.json"):
        say(engine, "Hello.", "bad")
    assert len(say(engine, "Hello.")[0]) > 0


def test_no_other_module_loads_piper_and_this_one_loads_no_other_espeak() -> None:
    house = Path(__file__).parents[3]
    loading = set()
    for folder in ("actors", "config", "ipc", "models", "supervisor"):
        for file in (house / folder).rglob("*.py"):
            names = set(re.findall(r"^\s*(?:from|import) (\w+)", file.read_text(), re.MULTILINE))
            if names & {"piper", "espeakng_loader"}:
                loading.add((file.name, *sorted(names & {"piper", "espeakng_loader"})))
    assert loading == {("voice_file.py", "piper"), ("espeak.py", "espeakng_loader")}


def test_the_old_piper_is_told_to_be_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    class OldPiper:
        """piper-tts 1.2 has PiperVoice in `piper`, and nothing else."""

        PiperVoice = object

    monkeypatch.setitem(sys.modules, "piper", OldPiper)
    monkeypatch.delitem(sys.modules, "actors.tts.voice_file")
    with pytest.raises(Unusable, match=r"piper-tts is too old .*pip install"):
        __import__("actors.tts.voice_file")
