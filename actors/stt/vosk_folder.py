"""What a folder must hold to be a model of Vosk, looked at before the library is given it.

Of 56 ways to damage a model (each of 8 files missing, empty, cut off or overwritten) the library notices most. Four end
the process, and four leave words without their names: those eight are found here. A few wrong weights only a checksum
can find (`ringmaster models check`).

The layout is that of https://alphacephei.com/vosk/models, version 2, and the flat one before it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

SETUP = "run `ringmaster models setup`, or set engines.vosk.model to the folder of a model"

TELEPHONE_HZ, WIDEBAND_HZ = 8000, 16000

_NAME = re.compile(r"vosk-model-(?:small-)?([a-z]{2}(?:-[a-z]{2})?)(?=-|$)")
_KINDS = ((b"GGUF", "a language model (GGUF)"), (b"PK\x03\x04", "a zip archive"), (b"\x08", "an ONNX model"))
"""How files begin that somebody may give instead."""


class NotAModel(ValueError):
    """The folder is no model, or not a whole one. The text is for the operator."""


@dataclass(frozen=True, slots=True)
class VoskFolder:
    """A folder that has all that Vosk needs."""

    path: Path
    sample_rate: int
    """Hz of the samples that its recognisers take: 8000 where the model allows it, for the caller has no more."""
    language: str
    """As the folder's name says, such as "en-us" or "de"; "" where it says nothing."""
    dynamic: bool
    """Whether a grammar can be put in place of the model's own sentences."""


def look_at(path: Path) -> VoskFolder:
    """Raises `NotAModel`."""
    if path.is_file():
        raise NotAModel(f"{path} is {_kind(path)} and not a folder: {SETUP}")
    if not path.is_dir():
        raise NotAModel(f"there is no folder {path}: {SETUP}")
    path = _inner(path)
    flat = not (path / "am").is_dir() and (path / "final.mdl").is_file()
    acoustics, features, graph = (path, path, path) if flat else (path / "am", path / "conf", path / "graph")
    needed = [acoustics / "final.mdl"]
    if not flat:
        needed.append(features / "model.conf")
    conf = features / "mfcc.conf" if flat or not (features / "fbank.conf").exists() else features / "fbank.conf"
    needed.append(conf)
    dynamic = not (graph / "HCLG.fst").exists()
    needed += [graph / "HCLr.fst", graph / "Gr.fst", graph / "disambig_tid.int"] if dynamic else [graph / "HCLG.fst"]
    if (path / "ivector" / "final.ie").exists():
        names = ("final.dubm", "final.mat", "splice.conf", "online_cmvn.conf", "global_cmvn.stats")
        needed += [path / "ivector" / name for name in names]
    for file in needed:
        if not file.is_file():
            raise NotAModel(f"{path} is not a whole model of Vosk, it lacks {file.relative_to(path)}: {SETUP}")
        if not file.stat().st_size:
            raise NotAModel(f"the model of Vosk in {path} is damaged, {file.relative_to(path)} is empty: {SETUP}")
    if not flat:
        _check_endpointing(features / "model.conf")
    if dynamic:
        _check_numbers(graph / "disambig_tid.int")
    if (graph / "words.txt").exists():
        _check_words(graph / "words.txt")
    return VoskFolder(path, _sample_rate(conf), _language(path), dynamic)


def _kind(file: Path) -> str:
    with file.open("rb") as stream:
        head = stream.read(4)
    return next((kind for magic, kind in _KINDS if head.startswith(magic)), "a file")


def _inner(path: Path) -> Path:
    """The folder itself, or the only one in it: what an archive was unpacked into holds a folder of its own name."""
    if (path / "am").exists() or (path / "final.mdl").exists():
        return path
    inner = [each for each in path.iterdir() if each.is_dir() and ((each / "am").exists() or (each / "conf").exists())]
    return inner[0] if len(inner) == 1 else path


def _options(conf: Path) -> dict[str, str]:
    """Kaldi's options, one a line, `--name=value` with `#` before remarks."""
    options = {}
    for line in conf.read_text(errors="replace").splitlines():
        name, _, value = line.partition("#")[0].strip().removeprefix("--").partition("=")
        options[name.strip().replace("_", "-")] = value.strip().lower()
    return options


def _sample_rate(conf: Path) -> int:
    """The telephone's where the model is made for that, or allows audio of a lower rate than its own. Kaldi's own
    default is 16000. Down is always allowed (Vosk's own setting)."""
    options = _options(conf)
    try:
        rate = float(options.get("sample-frequency", WIDEBAND_HZ))
    except ValueError:
        raise NotAModel(f"{conf} has a sample-frequency that is no number: {SETUP}") from None
    if rate <= TELEPHONE_HZ:
        return TELEPHONE_HZ
    return TELEPHONE_HZ if options.get("allow-upsample") in ("true", "t", "1", "") else WIDEBAND_HZ


def _check_endpointing(conf: Path) -> None:
    if not _options(conf).get("endpoint.silence-phones"):
        raise NotAModel(f"{conf} is damaged, it has no --endpoint.silence-phones: {SETUP}")


def _check_numbers(file: Path) -> None:
    text = file.read_text(errors="replace")
    if not text.endswith("\n") or not text.split() or not all(number.isdecimal() for number in text.split()):
        raise NotAModel(f"{file} is damaged, it is not a list of numbers to its end: {SETUP}")


def _check_words(file: Path) -> None:
    """Each line is a word and its number."""
    text = file.read_text(errors="replace")
    if not text.endswith("\n") or any(len(line.split()) != 2 for line in text.splitlines() if line.strip()):
        raise NotAModel(f"{file} is damaged, it is not words and their numbers to its end: {SETUP}")


def _language(path: Path) -> str:
    """Of the folder's name, or of the one that a link leads to."""
    names = (path.name.lower(), path.resolve().name.lower())
    return next((found[1] for name in names if (found := _NAME.match(name))), "")
