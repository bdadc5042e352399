"""The registry that ships: complete, free to use, and exact."""

import re
from itertools import pairwise

import msgspec
import pytest

from models.registry import FILE, ROLES, Model, Unknown, decode, registry

KNOWN = registry()
PAIRS = [(tier, language) for tier in KNOWN.tiers for language in KNOWN.languages]
HOSTS = {
    "stt": "https://alphacephei.com/vosk/models/",
    "llm": "https://huggingface.co/",
    "tts": "https://huggingface.co/",
}
SEED = ["LIGHT_CPU", "MEDIUM_CPU", "HEAVY_CPU", "MEDIUM_GPU", "HEAVY_GPU"]


def names(model: Model) -> str:
    return model.name


@pytest.mark.parametrize(("tier", "language"), PAIRS)
def test_each_tier_has_a_model_for_each_role_in_each_language(tier: str, language: str) -> None:
    bundle = KNOWN.bundle(tier, language)
    assert set(bundle) == set(ROLES)
    for role, model in bundle.items():
        assert model.role == role
        assert not model.languages or language in model.languages


@pytest.mark.parametrize(("tier", "language"), PAIRS)
def test_nothing_that_may_not_be_used_for_money_is_a_default(tier: str, language: str) -> None:
    for model in KNOWN.bundle(tier, language).values():
        assert model.free, model.licence
        assert not re.search("lessac|ryan|hfc|l2arctic|semaine|Qwen2.5-3B|Llama|gemma|LFM", model.name)


@pytest.mark.parametrize("model", KNOWN.models, ids=names)
def test_each_file_has_an_address_a_size_and_a_place(model: Model) -> None:
    for file in model.files:
        assert file.url.startswith(HOSTS[model.role])
        assert file.path.startswith(f"{model.role}/")
        assert file.url.endswith(f"/{file.name}")
        assert file.bytes > 1000
    assert {"zip": 1, "file": 1, "files": 2}[model.type] == len(model.files)
    if model.engine == "piper":
        assert [file.path for file in model.files] == [model.path, f"{model.path}.json"]
    if model.engine == "vosk":
        assert model.path == f"stt/{model.name}"
    assert model.memory_mb >= 100


def test_names_and_places_are_each_ones_own() -> None:
    assert len({model.name for model in KNOWN.models}) == len(KNOWN.models)
    places = [file.path for model in KNOWN.models for file in model.files]
    assert len(set(places)) == len(places)
    sums = [file.sha256 for model in KNOWN.models for file in model.files if file.sha256]
    assert len(set(sums)) == len(sums)


def test_every_default_is_checked_by_more_than_its_size() -> None:
    for tier, language in PAIRS:
        for model in KNOWN.bundle(tier, language).values():
            assert all(file.sha256 or file.md5 for file in model.files), model.name
    for known in KNOWN.tiers.values():
        assert all(file.sha256 for file in KNOWN.model(known.models.llm).files)


def test_tiers_want_more_and_more() -> None:
    assert [name for name in KNOWN.tiers if name in SEED] == SEED
    for with_card in (False, True):
        tiers = [tier for tier in KNOWN.tiers.values() if bool(tier.requirements.gpu_memory_mb) == with_card]
        for weaker, stronger in pairwise(tiers):
            assert weaker.requirements.cores <= stronger.requirements.cores
            assert weaker.requirements.memory_mb <= stronger.requirements.memory_mb
            assert weaker.requirements.gpu_memory_mb <= stronger.requirements.gpu_memory_mb


@pytest.mark.parametrize("tier", KNOWN.tiers)
def test_a_tier_has_memory_for_its_models(tier: str) -> None:
    """Two processes of each recogniser and voice, the weights once."""
    needs = KNOWN.tiers[tier].requirements
    for language in KNOWN.languages:
        bundle = KNOWN.bundle(tier, language)
        outside = 2 * bundle["stt"].memory_mb + 2 * bundle["tts"].memory_mb
        if needs.gpu_memory_mb:
            assert bundle["llm"].memory_mb <= needs.gpu_memory_mb
        else:
            outside += bundle["llm"].memory_mb
        assert outside <= needs.memory_mb, language


@pytest.mark.parametrize(
    ("given", "known"), [("de", "de"), ("de-at", "de"), ("en", "en-us"), ("EN_GB", "en-gb"), ("pt-br", "pt")]
)
def test_a_language_is_known_by_its_family(given: str, known: str) -> None:
    assert KNOWN.language(given) == known


def test_what_is_unknown_is_answered_with_what_there_is() -> None:
    with pytest.raises(Unknown, match='there is no tier "LIGHT"; there are TINY_CPU, LIGHT_CPU'):
        KNOWN.bundle("LIGHT", "de")
    with pytest.raises(Unknown, match='there is no language "tlh"; there are en-us'):
        KNOWN.bundle("LIGHT_CPU", "tlh")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sha256": "30f2', '"sha256": "zzf2'),
        ('"path": "stt/vosk', '"path": "../stt/vosk'),
        ('"url": "https://alpha', '"url": "ftp://alpha'),
        ('"role": "stt"', '"role": "ears"'),
        ('"bytes": 41205931', '"bytes": 0'),
        ('"licence"', '"license"'),
    ],
)
def test_a_mistake_in_the_file_is_an_error(old: str, new: str) -> None:
    text = FILE.read_text()
    assert old in text
    with pytest.raises(msgspec.ValidationError):
        decode(text.replace(old, new, 1).encode())
