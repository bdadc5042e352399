"""The models that we know of, and the bundles of them for each class of hardware: `registry.json`, typed and checked.

A tier names one language model and, for recogniser and voice, a size; a language names its models of each size. So each
pair of tier and language has one model for each role (`Registry.bundle`), and `ringmaster models setup` fetches these.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from config.engines import LlmEngineName, Role, SttEngineName, TtsEngineName

FILE = Path(__file__).parent / "registry.json"

FREE = frozenset({"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "public domain"})
"""Licences that a default may have: for any use, also for money, at most with the author's name."""

ROLES: tuple[Role, ...] = get_args(Role)

Hex64 = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
Hex32 = Annotated[str, Meta(pattern="^([0-9a-f]{32})?$")]
Url = Annotated[str, Meta(pattern="^https://[a-z0-9.-]+/[^ ?#]+$")]
Size = TypeVar("Size", bound=str)
Below = Annotated[str, Meta(pattern=r"^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]*$")]
"""A path inside the folder of the models."""


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file to be fetched."""

    url: Url
    mirrors: tuple[Url, ...] = ()
    """The same bytes elsewhere."""
    bytes: Annotated[int, Meta(gt=0)]
    """Exactly."""
    sha256: Hex64 = ""
    """"" where nobody who can be believed has published it. Then the size, and `md5` where there is one, must do, and
    what came first is recorded and holds from then on (trust on first use)."""
    md5: Hex32 = ""
    """As the publisher's catalogue has it: good against accidents, not against malice."""
    path: Below
    """Where it goes in the folder of the models; an archive only until it is unpacked."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of one role."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    role: Role
    engine: SttEngineName | LlmEngineName | TtsEngineName
    type: Literal["zip", "file", "files"]
    """`zip`: one archive, of which a folder comes. `files`: several, of which the first is the model's path."""
    files: Annotated[tuple[File, ...], Meta(min_length=1)]
    licence: str
    licence_url: str = ""
    languages: tuple[str, ...] = ()
    """BCP 47 tags in lower case. Empty: many, as language models have."""
    memory_mb: Annotated[int, Meta(gt=0)]
    """What one process needs with it, without the memories (KV caches) of calls. An estimate from its publisher's words
    and its size: `ringmaster models setup` measures it."""
    params_m: int = 0
    """Weights, in millions; 0: not known."""
    active_m: int = 0
    """Of them, those that each token needs (mixture of experts); 0: all."""
    kv_bytes: int = 0
    """Bytes that a language model keeps of each token of a call, at 16 bits: 2 (keys and values) x 2 x layers x
    key-value heads x size of a head; 0: not known."""
    notes: str = ""

    @property
    def path(self) -> str:
        """What the engine is given: a file or a folder, relative to the folder of the models."""
        return f"{self.role}/{self.name}" if self.type == "zip" else self.files[0].path

    @property
    def bytes(self) -> int:
        """To be fetched."""
        return sum(file.bytes for file in self.files)

    @property
    def free(self) -> bool:
        """Whether it may be a default."""
        return self.licence in FREE


class Requirements(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a machine must have at least. Megabytes are of 1,048,576 bytes, and a little below what is printed on the
    box, for the kernel and the firmware keep some."""

    cores: int
    """Physical ones, or what a container may use of them."""
    memory_mb: int
    gpu_memory_mb: int = 0
    """Of one graphics card; 0: none is needed."""


class Expectations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to expect before anything has been measured on the machine in question."""

    answer_s: float
    """From the caller's last word to the first of the answer."""
    calls: int
    """At once."""
    basis: Literal["measured", "by shape", "estimated"]
    """`by shape`: measured with random weights of a model's true shape."""
    note: str


class Picks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of recogniser and voice, the largest that a language has up to this size."""

    stt: Literal["small", "medium", "large"]
    llm: str
    """The model's name."""
    tts: Literal["medium", "high"]


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class of hardware."""

    description: str
    requirements: Requirements
    expectations: Expectations
    models: Picks


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Its models by size, the smallest first."""

    title: str
    stt: dict[Literal["small", "medium", "large"], str]
    tts: dict[Literal["medium", "high"], str]


class Registry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `registry.json` holds."""

    tiers: dict[str, Tier]
    """By name, from the weakest to the strongest, those without a graphics card first."""
    languages: dict[str, Language]
    models: tuple[Model, ...]

    def model(self, name: str) -> Model:
        """Raises `Unknown`, which names those that there are."""
        for model in self.models:
            if model.name == name:
                return model
        raise Unknown("model", name, (model.name for model in self.models))

    def language(self, tag: str) -> str:
        """The tag by which we have it: "de-at" is "de" here, and "en" is "en-us". Raises `Unknown`."""
        tag = tag.lower().replace("_", "-")
        family = tag.partition("-")[0]
        for known in (tag, family):
            if known in self.languages:
                return known
        for known in self.languages:
            if known.partition("-")[0] == family:
                return known
        raise Unknown("language", tag, self.languages)

    def tier(self, name: str) -> Tier:
        """Raises `Unknown`."""
        if name not in self.tiers:
            raise Unknown("tier", name, self.tiers)
        return self.tiers[name]

    def bundle(self, tier: str, language: str) -> dict[Role, Model]:
        """One model for each role. Raises `Unknown`."""
        picks = self.tier(tier).models
        spoken = self.languages[self.language(language)]
        return {
            "stt": self.model(_largest(spoken.stt, picks.stt, ("small", "medium", "large"))),
            "llm": self.model(picks.llm),
            "tts": self.model(_largest(spoken.tts, picks.tts, ("medium", "high"))),
        }


class Unknown(Exception):
    """There is no tier, language or model of that name."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f'there is no {what} "{name}"; there are {", ".join(known)}')


@cache
def registry() -> Registry:
    """The one that ships."""
    return decode(FILE.read_bytes())


def decode(text: bytes) -> Registry:
    """Raises `msgspec.ValidationError`, which names the place."""
    return msgspec.json.decode(text, type=Registry)


def _largest(by_size: Mapping[Size, str], wanted: Size, sizes: tuple[Size, ...]) -> str:
    allowed = sizes[: sizes.index(wanted) + 1]
    return next(by_size[size] for size in reversed(allowed) if size in by_size)
