"""Loads and stores of every data type give the bits of program.dtypes: exhaustively where that is possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.engines import jit
from nki_sim.program.dtypes import ALL, DType, from_float32, to_float32
from tests.support.programs import run, tile

float32 = next(dtype for dtype in ALL if dtype == "float32")
SMALL = [dtype for dtype in ALL if dtype.itemsize < 4]
FLOATS = [dtype for dtype in ALL if dtype.is_float]


def converted(values: np.ndarray, source: DType, target: DType) -> np.ndarray:
    """`values` copied from a tile of one type to a tile of the other by the JIT engine."""
    operands = {"src": tile(values, source), "dst": tile(np.zeros(values.shape, target.storage), target)}
    return run(jit.prepare, "tensor_copy", operands, {"engine": None})["dst"]


def assert_same(found: np.ndarray, expected: np.ndarray, any_nan: bool = True) -> None:
    """Equal bits, except that a NaN may be any NaN if the caller allows it."""
    assert found.dtype == expected.dtype
    bits = f"u{found.dtype.itemsize}"
    same = found.view(bits) == expected.view(bits)
    if any_nan and found.dtype.kind not in "iu":
        with np.errstate(invalid="ignore"):
            same |= np.isnan(found.astype(np.float32)) & np.isnan(expected.astype(np.float32))
    assert same.all(), (found[~same][:5], expected[~same][:5])


@pytest.mark.parametrize("dtype", SMALL, ids=str)
def test_every_small_value_loads_exactly(dtype: DType) -> None:
    count = 2 ** (8 * dtype.itemsize)
    bits = np.arange(count, dtype=f"u{dtype.itemsize}")
    if dtype == "bool":
        bits = bits[:2]
    values = bits.view(dtype.storage).reshape(-1, 2)[:, None, :].reshape(min(128, len(bits) // 2), -1)
    assert_same(converted(values, dtype, float32), to_float32(values), any_nan=dtype.itemsize == 2)


def boundaries(dtype: DType) -> np.ndarray:
    """Values of `dtype`, the points half-way between neighbours, and float32 neighbours of both."""
    codes = np.arange(min(2 ** (8 * dtype.itemsize), 2**16), dtype=f"u{dtype.itemsize}").view(dtype.storage)
    with np.errstate(invalid="ignore"):
        values = codes.astype(np.float64)
    values = np.unique(values[np.isfinite(values)])
    middles = (values[1:] + values[:-1]) / 2
    with np.errstate(over="ignore"):
        points = np.concatenate([values, middles]).astype(np.float32)
        around = np.concatenate([points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])
    return around.astype(np.float32)


SPECIAL = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 0.5, 1.5, 2.5, -0.5,
     127.5, 128.5, 255.5, 2147483520.0, 2147483648.0, -2147483648.0, 4294967040.0, 4294967296.0, 448.0, 464.0, 465.0,
     240.0, 248.0, 57344.0, 61440.0, 65504.0, 65520.0],
    np.float32,
)  # fmt: skip


def as_tile(values: np.ndarray) -> np.ndarray:
    width = -(-len(values) // 128)
    return np.resize(values, (128, width))


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_stores_round_as_the_reference_does(dtype: DType) -> None:
    generator = np.random.default_rng(7)
    random_bits = generator.integers(0, 2**32, 128 * 300, np.uint32).view(np.float32)
    near = (generator.standard_normal(128 * 50) * 300).astype(np.float32)
    found = [SPECIAL, random_bits, near, boundaries(dtype)]
    values = as_tile(np.concatenate([f for f in found if len(f)]))
    with np.errstate(invalid="ignore"):
        assert_same(converted(values, float32, dtype), from_float32(values, dtype))


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(ALL), st.sampled_from(ALL), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_type_to_any_other(source: DType, target: DType, width: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 256, (3, width * source.itemsize), np.uint8)
    values = (bits & 1 if source == "bool" else bits).view(source.storage)
    with np.errstate(invalid="ignore", over="ignore"):
        expected = values if source is target else from_float32(to_float32(values), target)
    assert_same(converted(values, source, target), expected)
