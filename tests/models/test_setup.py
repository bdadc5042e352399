"""What a measurement makes of the choice. It is given here: a machine that is too slow is nowhere at hand."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from config.load import SHIPPED, load
from config.schema import Settings
from models import measured, measuring, setup, shelf
from models.install import Store
from models.measured import Llm, Stt, Tts
from models.registry import Expectations, Language, Model, Picks, Registry, Requirements, Tier
from models.setup import Outcome, Wish
from tests.models import mirrors
from tests.models.mirrors import HASTY, Mirror, Told, serving

BRAINS = {"small.gguf": bytes(10_000), "large.gguf": bytes(50_000)}


def registry(mirror: Mirror) -> Registry:
    def tier(brain: str) -> Tier:
        return Tier(
            description="",
            requirements=Requirements(cores=1, memory_mb=1),
            expectations=Expectations(answer_s=1, calls=1, basis="estimated", note="Guessed."),
            models=Picks(stt="small", llm=brain, tts="medium"),
        )

    brains = tuple(
        Model(
            name=name.partition(".")[0],
            role="llm",
            engine="llama_cpp",
            type="file",
            files=(mirrors.file(mirror, name),),
            licence="MIT",
            memory_mb=1,
        )
        for name in BRAINS
    )
    others = (
        structs.replace(brains[0], name="ears", role="stt", engine="vosk"),
        structs.replace(brains[0], name="voice", role="tts", engine="piper"),
    )
    english = Language(title="English", stt={"small": "ears"}, tts={"medium": "voice"})
    return Registry(
        tiers={"LESS": tier("small"), "MORE": tier("large")}, languages={"en-us": english}, models=(*brains, *others)
    )


def settings(tmp_path: Path) -> Settings:
    shipped = load(SHIPPED).settings
    return structs.replace(shipped, models=structs.replace(shipped.models, directory=str(tmp_path)))


def run(tmp_path: Path, wish: Wish) -> tuple[Outcome, list[str]]:
    said: list[str] = []

    async def scenario() -> Outcome:
        async with serving(BRAINS) as mirror:
            known, here = registry(mirror), settings(tmp_path)
            store = Store(folder=tmp_path, bar=lambda name, length: Told(), patience=HASTY)
            first = setup.select(here, known, wish)
            return await setup.carry_out(here, known, wish, first, store, said.append)

    return asyncio.run(scenario()), said


def writes(monkeypatch: pytest.MonkeyPatch, **rates: float) -> None:
    """Tokens a second by the model's name."""

    def measure(role: str, engine: str, path: Path, name: str) -> Stt | Llm | Tts:
        if name not in rates:
            raise measuring.CannotMeasure("llama_cpp has no library here")
        return Llm(engine=engine, model=name, tokens_per_s=rates[name], prompt_tokens_per_s=100.0)

    monkeypatch.setattr(measuring, "measure", measure)


def test_a_model_that_writes_slower_than_one_speaks_gives_way_to_a_smaller_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes(monkeypatch, small=15.0, large=3.0)
    outcome, said = run(tmp_path, Wish(roles=("llm",)))
    assert outcome.selection.choice.name == "LESS"
    assert any(text.startswith("MORE is too much for this machine: ") for text in said)
    chosen = shelf.choice(settings(tmp_path).models)
    assert chosen and chosen.tier == "LESS" and chosen.models["llm"].name == "small"
    kept = measured.read(tmp_path)
    assert kept and kept.llm and (kept.llm.model, kept.llm.tokens_per_s) == ("small", 15.0)


def test_who_names_the_tier_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch, large=3.0)
    outcome, _ = run(tmp_path, Wish(tier="MORE", roles=("llm",)))
    assert [row.name for row in outcome.selection.rows] == ["large"]


def test_what_cannot_be_measured_is_there_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch)
    outcome, _ = run(tmp_path, Wish(roles=("llm",)))
    assert outcome.complaints == ["llm was not measured: llama_cpp has no library here"]
    assert shelf.path_of(settings(tmp_path).models, "llm") == tmp_path / "llm" / "large.gguf"


def test_roles_that_were_not_asked_for_keep_their_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch, large=50.0)
    mine = shelf.Chosen(name="mine", engine="vosk", path="stt/mine")
    shelf.save(tmp_path, shelf.Choice(tier="LESS", models={"stt": mine}))
    measured.save(tmp_path, measured.Measured(cpu="another", cores=1, stt=Stt(model="mine", real_time_factor=0.1)))
    run(tmp_path, Wish(roles=("llm",)))
    chosen = shelf.choice(settings(tmp_path).models)
    assert chosen and chosen.models["stt"] == mine and chosen.models["llm"].name == "large"
    kept = measured.read(tmp_path)
    assert kept and kept.llm and kept.stt is None, "figures of another machine are worth nothing"


def test_a_model_that_is_named_and_not_there_is_complained_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_LLM_MODEL_PATH", str(tmp_path / "gone.gguf"))
    outcome, _ = run(tmp_path, Wish(roles=("llm",)))
    assert outcome.complaints == [f"there is no llm model at {tmp_path}/gone.gguf, named by LOCAL_LLM_MODEL_PATH"]
