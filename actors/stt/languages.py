"""What language a model understands, as far as that is known."""

from pathlib import Path

from actors.stt.engine import Hints, UnusableHints
from config.engines import Models
from models import shelf

_SAME = {"cn": "zh", "vn": "vi", "kz": "kk", "ua": "uk"}
"""Names of models have countries in the place of some languages."""


def of_model(models: Models, path: Path) -> str:
    """The language of the model that lies there, as `ringmaster models setup` wrote it down; "" if it was not that."""
    chosen = shelf.choice(models)
    if chosen is None or "stt" not in chosen.models or models.folder / chosen.models["stt"].path != path:
        return ""
    return chosen.models["stt"].language


def check(hints: Hints, understood: str, path: Path) -> None:
    """Raises `UnusableHints` if the model in `path` surely understands another language; "" may be any."""
    if understood and _primary(hints.language) != _primary(understood):
        raise UnusableHints(
            f'the model in {path} understands "{understood}", not "{hints.language}": give the agent that language, or '
            "set up a model of its own"
        )


def _primary(language: str) -> str:
    primary = language.partition("-")[0]
    return _SAME.get(primary, primary)
