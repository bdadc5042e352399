"""The engine `vosk`: the real library, with the tiny model."""

import asyncio
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from actors.catalogue import Unusable
from actors.pcm import Pcm
from actors.stt import complaints, vosk
from actors.stt.engine import Hearing, Hints, UnusableHints
from actors.stt.listening import Listening
from actors.stt.vosk import Vosk
from actors.stt.vosk_folder import look_at
from bench.hearing_trial import FOREIGN
from bench.voices import CallerVoice
from config.agent import Agent
from config.grammar import grammar
from config.load import SHIPPED
from config.load import load as load_config
from ipc.messages import Attend, Finish, Hear, Heard, Partial
from tests.actors.service import Service
from tests.actors.stt import hearing
from tests.actors.stt.hearing import AMERICAN, GRAMMAR, engine, hear, speech

HOURS = "what are your opening hours"
FRAME = 160
RATE = 8000
"""The tiny model's, which is made for telephones."""


def said(text: str, voice: CallerVoice = AMERICAN) -> Pcm:
    return speech(text, voice, RATE)


def silence(seconds: float) -> Pcm:
    return np.zeros(int(seconds * RATE), dtype=np.int16)


def heard(*pieces: Pcm, hints: Hints = Hints("en-us"), **settings: float) -> Hearing:  # noqa: B008  frozen
    return hear(engine("vosk", settings).open(hints), np.concatenate(pieces))


# -- dictation


def test_the_caller_is_fed_to_it_at_the_rate_that_the_model_wants() -> None:
    assert engine("vosk").sample_rate == RATE


@pytest.mark.parametrize("pause_s", [1.0, 4.0, 12.0])
def test_a_pause_in_the_middle_ends_nothing_and_loses_no_word(pause_s: float) -> None:
    """Vosk itself thinks that a sentence ends after half a second, or after 5 s of silence."""
    hearing = heard(said("can I speak to a person"), silence(pause_s), said("yes please"))
    assert hearing.text == "can i speak to a person yes please"


def test_a_caller_who_does_not_stop_is_heard_to_the_end() -> None:
    """Vosk itself would end a sentence after 20 s."""
    texts = [HOURS, "where are you located", "can i speak to a person"] * 6
    pieces = [said(text) for text in texts]
    assert sum(map(len, pieces)) > 25 * RATE
    words = heard(*pieces).text.split()
    assert len(words) == pytest.approx(sum(len(text.split()) for text in texts), abs=4)
    assert " ".join(words[:5]) == HOURS and " ".join(words[-5:]) == "i speak to a person"


def test_words_are_told_where_they_lie_in_their_own_utterance() -> None:
    stream = engine("vosk").open(Hints("en-us"))
    first = hear(stream, said(HOURS)).words
    for _ in range(3):
        hear(stream, np.concatenate((said("goodbye"), silence(2.0))))
    again = hear(stream, said(HOURS)).words
    for one, other in zip(first, again, strict=True):
        assert one.text == other.text
        assert one.start_ms == pytest.approx(other.start_ms, abs=30)
        assert one.end_ms == pytest.approx(other.end_ms, abs=30)
    later = hear(stream, np.concatenate((silence(1.5), said(HOURS)))).words
    assert later[0].start_ms - first[0].start_ms == pytest.approx(1500, abs=60)


def test_how_sure_it_is_is_the_mean_of_its_words() -> None:
    hearing = heard(said(HOURS, CallerVoice("en-us+f2", noise_snr_db=8.0)))
    assert hearing.words
    assert hearing.confidence == pytest.approx(sum(word.confidence for word in hearing.words) / len(hearing.words))


def test_the_threshold_decides_what_counts_as_understood() -> None:
    foreign = said(FOREIGN[13])
    doubtful = heard(foreign)
    assert doubtful.text and 0.0 < doubtful.confidence < 1.0
    assert heard(foreign, threshold=doubtful.confidence - 0.01) == doubtful
    assert heard(foreign, threshold=doubtful.confidence + 0.01) == Hearing("", doubtful.confidence)
    assert heard(said(HOURS), threshold=0.9).text == HOURS


# -- grammars


def strict(grammar: str) -> Hints:
    return Hints("en-us", grammar, strict=True)


def test_a_strict_grammar_is_all_that_is_heard() -> None:
    digits = strict("#JSGF V1.0; public <digit> = (one | two | three | four | five)+;")
    assert heard(said("three one four"), hints=digits).text == "three one four"
    assert not set(heard(said(HOURS), hints=digits).text.split()) - {"one", "two", "three", "four", "five"}


def test_without_strictness_the_grammar_leaves_the_dictation_free() -> None:
    digits = Hints("en-us", "#JSGF V1.0; public <digit> = one | two;")
    assert heard(said(HOURS), hints=digits).text == HOURS


def test_a_grammar_with_slots_is_heard_in_all_its_ways() -> None:
    for text in (HOURS, "I'd like to book an appointment on friday", "yes please"):
        assert heard(said(text), hints=strict(GRAMMAR)).text == text.lower()


def test_what_is_not_in_a_strict_grammar_makes_it_less_sure() -> None:
    digits = strict("#JSGF V1.0; public <digit> = one | two;")
    other = heard(said("I'd like to book an appointment on friday"), hints=digits)
    assert other.confidence < heard(said("two"), hints=digits).confidence


def test_words_that_the_model_does_not_know_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    unknown = Hints("en-us", "#JSGF V1.0; public <what> = is Kowalczyk there | speak to doctor Zhivago;")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            engine("vosk").open(unknown).close()
    (record,) = [record for record in caplog.records if "Kowalczyk" in record.getMessage()]
    assert "Kowalczyk, Zhivago" in record.getMessage()


def test_a_grammar_of_none_of_the_models_words_is_refused() -> None:
    with pytest.raises(UnusableHints, match="knows no word of the grammar"):
        engine("vosk").open(strict("#JSGF V1.0; public <what> = Kowalczyk | Zhivago;"))


def test_a_strict_grammar_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(UnusableHints, match=r"line 2: expected '\)'"):
        engine("vosk").open(strict("#JSGF V1.0;\npublic <what> = (yes | no;"))


def test_a_model_of_another_language_is_not_mistaken_for_the_agents() -> None:
    with pytest.raises(UnusableHints, match='understands "en-us", not "de"'):
        engine("vosk").open(Hints("de"))
    engine("vosk").open(Hints("en-gb")).close()


# -- models that cannot be used


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A model that may be damaged."""
    return Path(shutil.copytree(hearing.TINY_VOSK, tmp_path / "copy"))


def refusal(path: Path) -> str:
    with pytest.raises(Unusable) as error:
        Vosk(path)
    assert "\n" not in str(error.value)
    assert "ringmaster models setup" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "file", ["am/final.mdl", "conf/model.conf", "conf/mfcc.conf", "graph/HCLr.fst", "graph/Gr.fst"]
)
def test_a_missing_file_is_named(copy: Path, file: str) -> None:
    (copy / file).unlink()
    assert f"lacks {file}" in refusal(copy)


@pytest.mark.parametrize(
    "file",
    [
        "am/final.mdl", "conf/model.conf", "conf/mfcc.conf", "graph/HCLr.fst", "graph/Gr.fst", "graph/disambig_tid.int",
        "graph/words.txt", "graph/phones/word_boundary.int",
    ],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.0, 0.45, 0.9])
def test_a_file_that_ends_too_early_is_no_end_of_the_process(copy: Path, file: str, share: float) -> None:
    whole = (copy / file).read_bytes()
    cut = whole[: int(len(whole) * share)].rstrip()
    (copy / file).write_bytes(cut)
    assert "damaged" in refusal(copy)


def test_what_the_library_says_of_a_file_is_told(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = (copy / "am/final.mdl").read_bytes()
    (copy / "am/final.mdl").write_bytes(whole[: len(whole) // 2])
    assert "Failed to read" in refusal(copy)
    assert capfd.readouterr() == ("", ""), "and nowhere else"


def test_random_bytes_are_no_model(copy: Path) -> None:
    (copy / "am/final.mdl").write_bytes(os.urandom(1000))
    assert "damaged or not for this engine" in refusal(copy)


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"GGUF\3\0\0\0", "language model"), (b"PK\3\4....", "zip"), (b"\x08\x07", "ONNX"), (b"", "a file")],
)
def test_a_file_in_the_folders_place_is_called_what_it_is(tmp_path: Path, head: bytes, kind: str) -> None:
    file = tmp_path / "model"
    file.write_bytes(head)
    assert kind in refusal(file)


def test_a_folder_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    assert "there is no folder" in refusal(tmp_path / "nowhere")
    assert "lacks am/final.mdl" in refusal(tmp_path)


def test_a_model_that_is_larger_than_the_memory_is_not_begun_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complaints, "_available_mb", lambda: 0)
    with pytest.raises(Unusable, match=r"takes at least \d+ MB of memory, and 0 MB are left: choose a smaller model"):
        Vosk(hearing.TINY_VOSK)


def test_a_folder_within_a_folder_is_found(copy: Path, tmp_path: Path) -> None:
    outer = tmp_path / "unpacked"
    outer.mkdir()
    copy.rename(outer / "vosk-model-small-en-us-0.15")
    assert Vosk(outer).sample_rate == RATE


def test_a_wideband_model_gets_the_rate_that_it_insists_on(copy: Path) -> None:
    """The tiny model's filters end below 4 kHz: at 16 kHz it hears the same."""
    conf = (copy / "conf/mfcc.conf").read_text()
    options = [line for line in conf.splitlines() if "sample-frequency" not in line and "upsample" not in line]
    (copy / "conf/mfcc.conf").write_text("\n".join([*options, "--sample-frequency=16000", ""]))
    wide = Vosk(copy)
    assert wide.sample_rate == 16000
    assert hear(wide.open(Hints("en-us")), speech("yes please", rate=16000)).text == "yes please"
    (copy / "conf/mfcc.conf").write_text("\n".join([*options, "--sample-frequency=16000", "--allow-upsample=true", ""]))
    assert Vosk(copy).sample_rate == 8000


def test_a_grammar_may_have_letters_beyond_ascii(copy: Path) -> None:
    """The model takes "yes" for a German word here: it goes by the numbers of words, not by their letters."""
    names = (copy / "graph/words.txt").read_text()
    (copy / "graph/words.txt").write_text(names.replace("\nyes ", "\njawöhl ").replace("\nno ", "\nnö "))
    stream = Vosk(copy).open(strict("#JSGF V1.0; public <answer> = Jawöhl | nö;"))
    assert hear(stream, said("yes")).text == "jawöhl"
    assert hear(stream, said("no")).text == "nö"


def test_a_model_with_its_sentences_built_in_takes_dictation_only(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "graph/HCLG.fst").write_bytes(b"the name is enough for this")
    assert not look_at(copy).dynamic
    monkeypatch.setattr(vosk, "look_at", lambda path: replace(look_at(path), dynamic=False))
    static = Vosk(hearing.TINY_VOSK)
    with pytest.raises(UnusableHints, match=r"built in .*take a small or an lgraph model"):
        static.open(strict(GRAMMAR))
    assert hear(static.open(Hints("en-us", GRAMMAR)), said(HOURS)).text == HOURS


# -- in the actor


def frames(pcm: Pcm) -> list[bytes]:
    return [pcm[at : at + FRAME].tobytes() for at in range(0, len(pcm) - FRAME + 1, FRAME)]


@pytest.mark.parametrize("lost_after", [50, 70, 90])
def test_another_actor_hears_an_utterance_again_and_gives_the_same_text(tmp_path: Path, lost_after: int) -> None:
    """The first is gone in the middle of it. Each has a model of its own: all that they share is the ear."""
    utterance = frames(np.concatenate((said(HOURS), said("yes please"))))

    async def play() -> None:
        async with Service(tmp_path, "stt.1") as service:
            call = service.open_call("c1")
            attend = Attend(call_id="c1", segment=call.segment, language="en-us", grammar="")
            for spoken in (utterance[:lost_after], utterance[lost_after:]):
                Listening(service.actor, Vosk(hearing.TINY_VOSK))
                await service.ask(attend)
                await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
                call.hear(*spoken)
                await service.note(Partial)
            heard = await service.expect(Finish(call_id="c1", utterance=1, to_frame=len(utterance)), Heard)
            assert (heard.text, heard.frames, heard.lost) == (f"{HOURS} yes please", len(utterance), 0)
            assert " ".join(word.text for word in heard.words) == heard.text
            assert heard.words[-1].end_ms <= len(utterance) * 20

    asyncio.run(play())


def test_calls_of_one_actor_share_the_model_and_are_told_apart(tmp_path: Path) -> None:
    texts = [HOURS, "where are you located", "yes please", "can i speak to a person"]

    async def play() -> None:
        async with Service(tmp_path, "stt.1") as service:
            Listening(service.actor, engine("vosk"))
            calls = [service.open_call(f"c{number}") for number in range(len(texts))]
            for call in calls:
                await service.ask(Attend(call_id=call.id, segment=call.segment, language="en-us", grammar=""))
                await service.ask(Hear(call_id=call.id, utterance=1, from_frame=0))
            spoken = [frames(said(text)) for text in texts]
            for at in range(0, max(map(len, spoken)), 10):
                for call, pcm in zip(calls, spoken, strict=True):
                    call.hear(*pcm[at : at + 10])
            heard = [
                (await service.expect(Finish(call_id=call.id, utterance=1, to_frame=len(pcm)), Heard)).text
                for call, pcm in zip(calls, spoken, strict=True)
            ]
            assert heard == texts

    asyncio.run(play())


def test_an_agent_that_wants_its_script_only_has_a_recogniser_ready_for_it(tmp_path: Path) -> None:
    """And one that speaks another language than the model does not keep the others from being heard."""
    desk = structs.replace(load_config(SHIPPED).agents["front-desk"], hears="script")

    async def play() -> None:
        german = Agent(name="empfang", greeting="Guten Tag.", language="de")
        async with Service(tmp_path, "stt.1", agents={"desk": desk, "empfang": german}) as service:
            work = Listening(service.actor, engine("vosk"))
            call = service.open_call("c1")
            pcm = frames(said(HOURS))
            attend = Attend(call_id="c1", segment=call.segment, language="en-us", grammar=grammar(desk), strict=True)
            assert list(work._spares) == [Hints("en-us", grammar(desk), strict=True)]
            await service.ask(attend)
            assert not work._spares, "the call has it"
            await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
            call.hear(*pcm)
            heard = await service.expect(Finish(call_id="c1", utterance=1, to_frame=len(pcm)), Heard)
            assert heard.text == HOURS

    asyncio.run(play())
