"""Whatever stands in a file, loading it gives a configuration or a `ConfigError`, nothing else."""

from pathlib import Path

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from config.agent import Agent
from config.check import check_agent
from config.decode import Decoder
from config.problem import ConfigError
from config.reference import field_texts
from config.schema import Settings
from config.source import parse

KEYS = st.sampled_from(
    [*field_texts(Settings), *field_texts(Agent), "stt", "host", "port", "heard", "slots", "intents"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["${X", "${Y}"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def load_text(text: str) -> None:
    """As the loader does; `ConfigError` is the only way out that is not the end."""
    for kind in (Settings, Agent):
        try:
            decoder = Decoder(parse(Path("x.yaml"), text))
            value = decoder.decode(kind)
            if isinstance(value, Agent):
                check_agent(value, {}, decoder)
        except ConfigError as error:
            assert error.problems
            for problem in error.problems:
                assert problem.line >= 1 and problem.column >= 1
                assert str(problem).encode("utf-8", "replace")


@given(TREES)
def test_any_tree(tree: object) -> None:
    load_text(yaml.safe_dump(tree))


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t\\0U~.", max_size=40))
@example("&a [*a]")
@example("asterisk: &a\n  host: *a\n")
@example("? [a]\n: b")
@example("{[a]: b}")
@example("!!python/object:os.system {}")
@example("script: {yes: !!binary x}")
@example("%YAML 1." + "9" * 5000 + "\n---\n")
@example('"\\UFFFFFFFF"')
@example('asterisk: {host: "\\ud800"}')
@example('"\\ud800": 1')
@example("audio: {warm: " + "9" * 5000 + "}")
@example("vad: {margin_db: 1e999}")
def test_any_text(text: str) -> None:
    load_text(text)


@given(st.binary(max_size=30))
def test_any_bytes_that_are_text(data: bytes) -> None:
    load_text(data.decode("utf-8", "replace"))
