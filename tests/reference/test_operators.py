"""Operators and activation functions by themselves, against Python arithmetic."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.instructions.activations import FUNCTIONS, VALID_INPUT, activate, outside_valid_input
from nki_sim.instructions.call import as_storage, printed
from nki_sim.instructions.matmul.reference import matmul_error_bound
from nki_sim.instructions.operators import (
    ARITHMETIC,
    BITVEC,
    arithmetic,
    bitvec,
    immediate_bits,
    maximum,
    minimum,
    reduce_float,
)
from nki_sim.instructions.selection.reference import affine_values
from nki_sim.program import dtypes as d

f32 = np.float32
singles = st.floats(width=32)
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -2.5]


@pytest.mark.parametrize("function", [maximum, minimum])
def test_extremes_have_no_order(function) -> None:
    """IEEE 754-2019: commutative, associative, NaN wins, zeros are told apart."""
    for x, y, z in itertools.product(SPECIAL, repeat=3):
        a, b, c = f32(x), f32(y), f32(z)
        results = [function(function(a, b), c), function(a, function(b, c)), function(function(c, a), b)]
        assert len({"nan" if np.isnan(r) else (float(r), bool(np.signbit(r))) for r in results}) == 1
    assert np.signbit(minimum(f32(0.0), f32(-0.0))) and not np.signbit(maximum(f32(-0.0), f32(0.0)))


@settings(max_examples=60)
@given(st.lists(st.sampled_from(SPECIAL[1:]) | singles.filter(lambda v: not math.isnan(v)), min_size=1, max_size=9))
def test_reduced_extremes_are_the_folded_ones(values: list[float]) -> None:
    row = np.array([values], f32)
    for name, function in (("maximum", maximum), ("minimum", minimum)):
        folded = row[:, 0]
        for column in row.T[1:]:
            folded = function(folded, column)
        assert reduce_float(name, row, (1,)).tobytes() == folded.astype(f32).tobytes()


@settings(max_examples=60)
@given(singles, singles, st.sampled_from(sorted(ARITHMETIC - {"power"})), st.booleans())
def test_arithmetic_gives_float32_and_reverse_swaps(x: float, y: float, op: str, reverse: bool) -> None:
    a, b = np.array([x], f32), np.array([y], f32)
    with np.errstate(all="ignore"):
        got = arithmetic(op, a, b, reverse)
        swapped = arithmetic(op, b, a, not reverse)
    assert got.dtype == f32
    if op not in ("abs", "square", "relu", "rsqrt", "reciprocal"):
        assert got.tobytes() == swapped.tobytes() or (np.isnan(got).all() and np.isnan(swapped).all())


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([1, 2, 4]))
def test_shifts_are_logical_and_lose_bits(value: int, count: int, size: int) -> None:
    width = 8 * size
    x = np.array([value % 2**width], f"u{size}")
    y = np.array([count], f"u{size}")
    left = (int(x[0]) << count) % 2**width if count < width else 0
    right = int(x[0]) >> count if count < width else 0
    assert (int(bitvec("left_shift", x, y)[0]), int(bitvec("right_shift", x, y)[0])) == (left, right)
    assert int(bitvec("invert", x)[0]) == 2**width - 1 - int(x[0])


def test_immediates_are_twos_complement() -> None:
    assert immediate_bits(-1, np.dtype(np.int16)) == 0xFFFF
    assert immediate_bits(255, np.dtype(np.uint8)).dtype == np.uint8
    assert len(BITVEC) == 6


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_range_of_valid_inputs(name: str) -> None:
    low, high = VALID_INPUT[name]
    for edge in (low, high):
        if math.isinf(edge):
            assert not outside_valid_input(name, np.array([edge], f32)).any() or name == "reciprocal"
        else:
            beyond = f32(edge) * f32(1.001) if edge == high or edge < 0 else f32(edge) * f32(0.999)
            assert outside_valid_input(name, np.array([beyond], f32)).all()
    if name == "reciprocal":
        assert outside_valid_input(name, np.array([0.0, 2.0**-43, -(2.0**43)], f32)).all()
    inside = f32(1.0)
    assert not outside_valid_input(name, np.array([inside, np.nan], f32)).any()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_activations_round_once(name: str) -> None:
    """Rounded once from float64: the float32 result is the nearest to the float64 one."""
    x = np.linspace(0.01, 1.5, 97, dtype=f32)
    exact = FUNCTIONS[name](x.astype(np.float64))
    got = activate(name, x)
    assert got.dtype == f32
    assert (np.abs(got - exact) <= np.spacing(np.abs(got)) / 2).all()


@pytest.mark.parametrize("name", ["gelu", "gelu_apprx_tanh", "gelu_apprx_sigmoid", "silu", "softplus"])
def test_derivatives_match_difference_quotients(name: str) -> None:
    derivative = {"gelu": "gelu_dx", "gelu_apprx_sigmoid": "gelu_apprx_sigmoid_dx", "silu": "silu_dx",
                  "softplus": "sigmoid", "gelu_apprx_tanh": "gelu_dx"}[name]  # fmt: skip
    tolerance = 2e-3 if name == "gelu_apprx_tanh" else 1e-8
    x, step = np.linspace(-6, 6, 201), 1e-5
    quotient = (FUNCTIONS[name](x + step) - FUNCTIONS[name](x - step)) / (2 * step)
    assert np.abs(quotient - FUNCTIONS[derivative](x)).max() < tolerance


def test_error_bound_holds_for_float32_loops_and_is_tight() -> None:
    generator = np.random.default_rng(1)
    for depth in (1, 16, 128):
        s, m = (generator.normal(size=(depth, 9)).astype(f32) for _ in range(2))
        total = np.zeros((9, 9), f32)
        for k in range(depth):
            total = total + np.outer(s[k], m[k])
        error = np.abs(total - (s.astype(np.float64).T @ m.astype(np.float64)))
        bound = matmul_error_bound(s, m)
        assert (error <= bound).all()
        assert (bound < 2e-6 * (depth + 3) * (np.abs(s).T @ np.abs(m))).all()


@settings(max_examples=60)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(-(2**30), 2**30), st.integers(1, 3)), min_size=1, max_size=4),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**31), 2**31 - 1),
)
def test_affine_values_wrap(rows: int, pattern: list[tuple[int, int]], offset: int, multiplier: int) -> None:
    got = affine_values(rows, pattern, offset, multiplier)
    for p in range(rows):
        for number, index in enumerate(itertools.product(*[range(count) for _, count in pattern])):
            value = offset + p * multiplier + sum(s * i for (s, _), i in zip(pattern, index, strict=True))
            assert int(got[p, number]) == (value + 2**31) % 2**32 - 2**31


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (2**24 + 1, d.int32, 2**24 + 1),
        (300, d.uint8, 255),
        (-1, d.uint16, 0),
        (2.5, d.int8, 2),
        (1e30, d.int32, 2**31 - 1),
    ],
)
def test_constants_as_integers(value: float, dtype: d.DType, expected: int) -> None:
    assert int(as_storage(value, dtype)) == expected


def test_constants_as_floats() -> None:
    assert float(as_storage(1 + 2.0**-12, d.tfloat32)) == 1.0
    assert math.isinf(float(as_storage(1e39, d.float32)))


def test_printed_text() -> None:
    assert printed("x", np.array([1.0, 2.0], f32)) == "x [1. 2.]"
    assert printed("x: ", np.array([1], np.int32)) == "x: [1]"
    assert printed("", np.array([1], np.int32)) == "[1]"
