"""The voice of true shape: as large as a real one, and as much work."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bench.shapes import voice as shapes

REAL_BYTES = 63_201_294
"""Of a medium voice of one speaker (en_US-lessac-medium and others)."""


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("shape") / "medium.onnx"
    shapes.make(file)
    return file


def test_it_is_as_large_as_a_real_voice(medium: Path) -> None:
    assert medium.stat().st_size == pytest.approx(REAL_BYTES, rel=0.02)


def test_its_decoder_multiplies_as_often_as_a_real_ones(medium: Path) -> None:
    weights = {weight.name: numpy_helper.to_array(weight) for weight in onnx.load(str(medium)).graph.initializer}
    rates = np.cumprod([1, *(factor for factor, _ in shapes.MEDIUM.upsample)])
    work = 0
    for name, weight in weights.items():
        part = name.split(".")
        if part[0] == "dec" and part[-1] == "weight":
            # A transposed convolution's taps are each used once for a sample that goes in.
            step = {"conv_pre": 0, "conv_post": 3, "ups": int(part[2]) if part[2].isdigit() else 0}.get(part[1])
            step = int(part[2]) // 3 + 1 if step is None else step
            work += weight.size * int(rates[step])
    # By hand from Piper's defaults: 256 channels halved by three steps of 8, 8 and 4, and in each of these kernels of
    # 3, 5 and 7 twice.
    by_hand = 192 * 256 * 7 + 32 * 7 * 256
    for channels, kernel, before, after in ((256, 16, 1, 8), (128, 16, 8, 64), (64, 8, 64, 256)):
        by_hand += channels * channels // 2 * kernel * before
        by_hand += (channels // 2) ** 2 * 2 * (3 + 5 + 7) * after
    assert work == by_hand
    assert work == pytest.approx(22.7e6, rel=0.01)


def test_the_same_seed_gives_the_same_voice(tmp_path: Path) -> None:
    small = shapes.Shape(channels=16, filter=16, layers=1, flows=1, flow_layers=1, decoder=16)
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        shapes.make(tmp_path / f"{name}.onnx", small, seed)
    one, again, other = ((tmp_path / f"{name}.onnx").read_bytes() for name in ("one", "again", "other"))
    assert one == again != other
