"""The vector maths against float64: errors as stated, on random bits, around switch-over points, at special values."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.engines.jit.maths import ULP, UNARY
from nki_sim.instructions.activations import EXACT, FUNCTIONS, activate
from tests.jit.maths_harness import VectorMaths

Float32 = npt.NDArray[np.float32]

# Where formulas change or results leave the normal range, and the roots of the derivatives.
CORNERS = [
    0.0, 0.34657, 0.5, 0.70711, 1.0, 1.41421, 3.92, 3.937, 8.6, 10.0, 14.2, 14.6, 16.6, 87.34, 88.72, 103.97, 104.0,
    128.0, 150.0, 0.75179, 0.50179, 1.00179, 1.2784645, 0.7511542, math.pi / 2, math.pi, 9.01, 2.0**-126, 2.0**-149,
    2.0**-12, 2.0**63, 2.0**127,
]  # fmt: skip


@pytest.fixture(scope="module")
def vector() -> VectorMaths:
    return VectorMaths(16)


def inputs(seed: int, count: int) -> Float32:
    """Random bit patterns, moderate numbers, and the floats around the corners."""
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 2**32, count, np.uint64).astype(np.uint32).view(np.float32)
    around = np.arange(-40, 41, dtype=np.int32)
    corners = np.array([*CORNERS, *(-corner for corner in CORNERS)], np.float32).view(np.int32)
    # Across a zero the neighbours are those of the other sign; a NaN from stepping past it does no harm.
    near = (corners[:, None] + around[None, :]).astype(np.int32).view(np.float32).reshape(-1)
    special = np.array([np.inf, -np.inf, np.nan], np.float32)
    parts = [bits, generator.normal(size=count) * 3, generator.uniform(-110, 110, count), near, special]
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def ulps(got: Float32, expected: Float32) -> npt.NDArray[np.int64]:
    """Distance in floats; 0 where both are NaN, enormous where one is."""

    def ordered(values: Float32) -> npt.NDArray[np.int64]:
        bits = values.view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    both, one = np.isnan(got) & np.isnan(expected), np.isnan(got) != np.isnan(expected)
    return np.where(both, 0, np.where(one, 2**40, np.abs(ordered(got) - ordered(expected))))


def test_every_activation_function_has_vector_code_and_a_stated_error():
    assert set(FUNCTIONS) == set(UNARY)
    assert set(ULP) == {*UNARY, "power"}
    assert all(ULP[name] == 0.0 for name in EXACT)
    assert max(ULP.values()) <= 2.0


@pytest.mark.parametrize("name", sorted(UNARY))
def test_error_is_within_the_stated_ulp(vector, name):
    x = inputs(11, 20_000)
    with np.errstate(all="ignore"):
        expected = activate(name, x)
    got = vector(name, x)
    distance = ulps(got, expected)
    worst = int(np.argmax(distance))
    assert distance[worst] <= ULP[name], f"{name}({x[worst]!r}) is {got[worst]!r}, not {expected[worst]!r}"
    # One rounding of a value good to 1e-10: hardly ever the neighbour of the right float. exp runs in float32.
    assert np.mean(distance > 0) < (0.12 if name == "exp" else 0.005)


@pytest.mark.parametrize("name", sorted(UNARY))
@settings(max_examples=20, deadline=None, derandomize=True)
@given(values=st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_any_float(vector, name, values):
    x = np.array(values, np.float32)
    with np.errstate(all="ignore"):
        assert np.all(ulps(vector(name, x), activate(name, x)) <= ULP[name])


def test_power(vector):
    generator = np.random.default_rng(3)
    x = inputs(12, 20_000)
    whole, broken = generator.integers(-5, 6, x.size), generator.uniform(-8, 8, x.size)
    y = np.where(generator.integers(0, 2, x.size), broken, whole).astype(np.float32)
    special = np.array([0.0, np.inf, 1.0, 2.0, 3.0, 0.5, 1e30, 1e-40, np.nan], np.float32)
    special = np.concatenate([special, -special])
    x = np.concatenate([x, np.repeat(special, special.size)])
    y = np.concatenate([y, np.tile(special, special.size)])
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
    got = vector("power", x, y)
    distance = ulps(got, expected)
    worst = int(np.argmax(distance))
    assert distance[worst] <= ULP["power"], f"{x[worst]!r} ** {y[worst]!r} is {got[worst]!r}, not {expected[worst]!r}"


@pytest.mark.parametrize("lanes", [1, 8])
def test_bits_do_not_depend_on_the_vector_width(vector, lanes):
    x = inputs(13, 500)
    other = VectorMaths(lanes)
    for name in UNARY:
        assert not ulps(other(name, x), vector(name, x)).any(), name


def test_limits_that_hardware_kernels_rely_on(vector):
    infinite = np.array([-np.inf, np.inf], np.float32)
    assert vector("exp", infinite).tolist() == [0.0, math.inf]
    assert vector("tanh", infinite).tolist() == [-1.0, 1.0]
    assert vector("sigmoid", infinite).tolist() == [0.0, 1.0]
    # x times something that vanishes faster: zero, not the NaN of infinity times zero.
    for name in ("silu", "gelu", "gelu_apprx_tanh", "gelu_apprx_sigmoid", "mish"):
        assert vector(name, infinite).tolist() == [0.0, math.inf], name
    # nki.api.shared.rst, "Supported Activation Functions", on sin outside [-pi, pi].
    assert vector("sin", np.array([9.0], np.float32))[0] == pytest.approx(27.65, abs=0.005)
