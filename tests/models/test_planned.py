"""The plan is made once, written down, and fills in what the settings leave to the hardware tier."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from config.load import SHIPPED, Config, load
from config.problem import ConfigError
from models import measured, planned
from models.machine import Machine, detect
from models.measured import Llm, Measured, Stt, Tts
from models.plan import AUTO
from tests.models import recorded


def configuration(folder: Path, **sections: Any) -> Config:
    shutil.copytree(SHIPPED.parent / "agents", folder / "agents")
    settings = yaml.safe_load(SHIPPED.read_text())
    for name, section in sections.items():
        settings[name] = {**settings[name], **section} if isinstance(section, dict) else section
    settings["models"]["directory"] = str(folder / "models")
    (folder / "ai-agent.yaml").write_text(yaml.safe_dump(settings))
    return load(folder / "ai-agent.yaml")


def server(folder: Path) -> Machine:
    return recorded.SERVER.detect(folder)


def left_to_the_tier(section: Any) -> list[str]:
    """Keys that still say so."""
    found = []
    for name in section.__struct_fields__:
        own = getattr(section, name)
        if hasattr(own, "__struct_fields__"):
            found += [f"{name}.{key}" for key in left_to_the_tier(own)]
        elif name in AUTO and own == AUTO[name]:
            found.append(name)
    return found


@pytest.mark.parametrize("pipeline", ["embedded", "local"])
def test_afterwards_the_settings_hold_numbers(pipeline: str, tmp_path: Path) -> None:
    config = configuration(tmp_path, active_pipeline=pipeline)
    assert "actors.llm.count" in left_to_the_tier(config.settings)
    settings, _ = planned.begin(config, tmp_path / "run")
    # Engines that do not run need no numbers.
    engines = [] if pipeline == "local" else left_to_the_tier(config.settings.engines)
    assert left_to_the_tier(settings.settings) == [f"engines.{key}" for key in engines]


def test_every_process_sees_the_plan_that_was_written_down(tmp_path: Path) -> None:
    """Also one that may use fewer cores than the supervisor, and would plan otherwise."""
    config = configuration(tmp_path, active_pipeline="local")
    made = planned.look(config, server(tmp_path / "tree")).plan
    (tmp_path / "run").mkdir()
    planned.write_down(made, tmp_path / "run")
    seen = planned.applied(config, tmp_path / "run").settings
    assert (seen.actors.stt.count, seen.actors.llm.count) == (made["actors.stt.count"], made["actors.llm.count"])
    assert seen.engines.llama_cpp.threads == made["engines.llama_cpp.threads"] > 1
    assert seen.actors.llm.cores == made["actors.llm.cores"]
    assert seen.audio.cores == (0, 32)


def test_without_a_plan_a_process_makes_its_own(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    assert planned.applied(config, tmp_path).settings.actors.stt.count == 2


def test_what_the_file_says_meanwhile_in_numbers_holds(tmp_path: Path) -> None:
    """An operator changes the file, and an actor is started again."""
    made = planned.look(configuration(tmp_path / "before", active_pipeline="local"), server(tmp_path / "tree")).plan
    after = configuration(tmp_path / "after", active_pipeline="local", actors={"llm": {"count": 1, "cores": [7]}})
    seen = planned.apply(after, made).settings.actors
    assert (seen.llm.count, seen.llm.cores) == (1, (7,))
    assert seen.stt.count == made["actors.stt.count"]


def test_a_tier_that_there_is_not_is_a_mistake_with_its_place(tmp_path: Path) -> None:
    config = configuration(tmp_path, models={"tier": "LIGHT_GPU"})
    with pytest.raises(ConfigError) as caught:
        planned.make(config)
    (problem,) = caught.value.problems
    line = config.path.read_text().splitlines()[problem.line - 1]
    assert (problem.key, line.strip()) == ("models.tier", "tier: LIGHT_GPU")
    assert 'there is no tier "LIGHT_GPU"; there are TINY_CPU, LIGHT_CPU' in problem.message
    assert problem.message.endswith("and `auto`.")


# -- what was measured

FIGURES = Measured(
    stt=Stt(engine="vosk", model="tiny", real_time_factor=0.1),
    llm=Llm(engine="llama_cpp", model="tiny", threads=1, tokens_per_s=50.0, prompt_tokens_per_s=400.0, batch=40),
    tts=Tts(engine="piper", model="tiny", threads=1, real_time_factor=0.1),
)


def measured_here(config: Config, tmp_path: Path, **changes: Any) -> None:
    """As if `ringmaster models setup` had measured three models that lie beside each other."""
    here = detect(tmp_path)
    figures = structs.replace(FIGURES, cpu=here.cpu, cores=here.physical, **changes)
    for role in ("stt", "llm", "tts"):
        (tmp_path / role).write_bytes(b"a model")
        figures = structs.replace(
            figures, **{role: structs.replace(getattr(figures, role), model=str(tmp_path / role))}
        )
    measured.save(config.settings.models.folder, figures)


def with_models(folder: Path) -> Config:
    own = {"vosk": {"model": str(folder / "stt")}, "llama_cpp": {"model": str(folder / "llm")}}
    return configuration(folder, active_pipeline="local", engines={**own, "piper": {"model": str(folder / "tts")}})


def why(config: Config, key: str) -> str:
    return next(tuned.why for tuned in planned.make(config).tuned if tuned.key == key)


def test_what_was_measured_here_with_these_models_is_used(tmp_path: Path) -> None:
    config = with_models(tmp_path)
    measured_here(config, tmp_path)
    assert why(config, "engines.llama_cpp.threads").startswith("measured: the fastest was 1")
    assert planned.make(config)["engines.llama_cpp.threads"] == 1
    assert planned.make(config)["engines.llama_cpp.batch"] == 40


def test_what_was_measured_with_another_model_is_not(tmp_path: Path) -> None:
    config = with_models(tmp_path)
    measured_here(config, tmp_path)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"another")
    engines = config.settings.engines
    engines = structs.replace(engines, llama_cpp=structs.replace(engines.llama_cpp, model=str(other)))
    config = structs.replace(config, settings=structs.replace(config.settings, engines=engines))
    assert "rule of thumb" in why(config, "engines.llama_cpp.batch")
    assert why(config, "engines.piper.threads").startswith("measured")


def test_what_was_measured_on_another_machine_is_not(tmp_path: Path) -> None:
    config = with_models(tmp_path)
    measured_here(config, tmp_path)
    figures = measured.read(config.settings.models.folder)
    assert figures is not None
    measured.save(config.settings.models.folder, structs.replace(figures, cpu="another processor"))
    assert planned.look(config).measured is None
    assert "rule of thumb" in why(config, "engines.llama_cpp.batch")


def test_a_measurement_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    config = with_models(tmp_path)
    measured_here(config, tmp_path)
    (config.settings.models.folder / measured.MEASURED).write_text("{")
    assert "rule of thumb" in why(config, "engines.llama_cpp.batch")
