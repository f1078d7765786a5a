"""nl functions against NumPy on both engines."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nki_sim.language as nl
from nki_sim import NotImplementedYet, ShapeError, kernel

ENGINES = ["reference", "jit"]
BF16 = ml_dtypes.bfloat16


def unary_kernel(function: Callable[[Any], Any], engine: str) -> Any:
    @kernel(engine=engine)
    def apply(x):  # type: ignore[no-untyped-def]
        tile = nl.load(x)
        result = function(tile)
        out = nl.ndarray(result.shape, result.dtype, buffer=nl.shared_hbm)
        if nl.is_psum(result):
            result = nl.copy(result)
        nl.store(out, result)
        return out

    return apply


def binary_kernel(function: Callable[[Any, Any], Any], engine: str) -> Any:
    @kernel(engine=engine)
    def apply(x, y):  # type: ignore[no-untyped-def]
        result = function(nl.load(x), nl.load(y))
        out = nl.ndarray(result.shape, result.dtype, buffer=nl.shared_hbm)
        if nl.is_psum(result):
            result = nl.copy(result)
        nl.store(out, result)
        return out

    return apply


def values(seed: int, shape: tuple[int, ...], low: float = -8.0, high: float = 8.0) -> Any:
    rng = np.random.default_rng(seed)
    array = rng.uniform(low, high, shape).astype(np.float32)
    array.flat[:: max(1, array.size // 3)] = 0.0
    return array


_erf = np.vectorize(math.erf)

ELEMENTWISE = [
    (nl.exp, np.exp, -20, 20),
    (nl.log, np.log, 1e-3, 50),
    (nl.sqrt, np.sqrt, 1e-3, 50),
    (nl.rsqrt, lambda x: 1 / np.sqrt(x), 1e-3, 50),
    (nl.tanh, np.tanh, -5, 5),
    (nl.sigmoid, lambda x: 1 / (1 + np.exp(-x)), -20, 20),
    (nl.relu, lambda x: np.maximum(x, 0), -5, 5),
    (nl.gelu, lambda x: 0.5 * x * (1 + _erf(x / np.sqrt(2))), -4, 4),
    (nl.silu, lambda x: x / (1 + np.exp(-x)), -20, 20),
    (nl.softplus, lambda x: np.log1p(np.exp(x)), -10, 10),
    (nl.erf, _erf, -3, 3),
    (nl.square, np.square, -9, 9),
    (nl.abs, np.abs, -9, 9),
    (nl.sign, np.sign, -9, 9),
    (nl.negative, np.negative, -9, 9),
    (nl.reciprocal, lambda x: 1 / x, 0.1, 9),
    (nl.copy, lambda x: x, -9, 9),
    (nl.floor, np.floor, -100, 100),
    (nl.ceil, np.ceil, -100, 100),
    (nl.trunc, np.trunc, -100, 100),
    (nl.sin, np.sin, -40, 40),
    (nl.cos, np.cos, -40, 40),
    (nl.arctan, np.arctan, -40, 40),
    (nl.logical_not, lambda x: (x == 0).astype(float), -1, 1),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("function", "reference", "low", "high"), ELEMENTWISE, ids=lambda v: getattr(v, "__name__", None)
)
def test_functions_of_one_tile(function: Any, reference: Any, low: float, high: float, engine: str) -> None:
    x = np.random.default_rng(3).uniform(low, high, (37, 53)).astype(np.float32)
    if low < 0:
        x[0, :7] = [0.0, -0.5, 0.5, 1.5, -1.5, 1.0, -1.0]
    got = unary_kernel(function, engine)(x)
    want = reference(x.astype(np.float64))
    np.testing.assert_allclose(got, want, rtol=3e-6, atol=2e-5 if high == 40 else 3e-7)


BINARY = [
    (nl.add, np.add), (nl.subtract, np.subtract), (nl.multiply, np.multiply), (nl.maximum, np.maximum),
    (nl.minimum, np.minimum), (nl.equal, np.equal), (nl.not_equal, np.not_equal), (nl.less, np.less),
    (nl.less_equal, np.less_equal), (nl.greater, np.greater), (nl.greater_equal, np.greater_equal),
    (nl.logical_and, np.logical_and), (nl.logical_or, np.logical_or), (nl.logical_xor, np.logical_xor),
]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("function", "reference"), BINARY, ids=lambda v: getattr(v, "__name__", None))
def test_functions_of_two_tiles_and_of_a_number(function: Any, reference: Any, engine: str) -> None:
    x, y = values(1, (9, 31)), values(2, (9, 31))
    y[:, ::4] = x[:, ::4]
    np.testing.assert_array_equal(binary_kernel(function, engine)(x, y), reference(x, y).astype(np.float32))
    np.testing.assert_array_equal(
        unary_kernel(lambda t: function(t, 2.5), engine)(x), reference(x, np.float32(2.5)).astype(np.float32)
    )
    np.testing.assert_array_equal(
        unary_kernel(lambda t: function(2.5, t), engine)(x), reference(np.float32(2.5), x).astype(np.float32)
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_integer_functions_work_on_bits(engine: str) -> None:
    x = np.arange(-60, 60, dtype=np.int32).reshape(8, 15)
    y = np.arange(120, dtype=np.int32).reshape(8, 15)[::-1].copy()
    for function, reference in (
        (nl.bitwise_and, np.bitwise_and),
        (nl.bitwise_or, np.bitwise_or),
        (nl.bitwise_xor, np.bitwise_xor),
    ):
        np.testing.assert_array_equal(binary_kernel(function, engine)(x, y), reference(x, y))
    np.testing.assert_array_equal(unary_kernel(nl.invert, engine)(x), ~x)
    large = np.full((4, 6), 2**24 + 1, np.int32)
    np.testing.assert_array_equal(binary_kernel(nl.add, engine)(large, large), large + large)


@pytest.mark.parametrize("engine", ENGINES)
@given(
    rows=st.integers(1, 130).map(lambda n: min(n, 128)),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
@settings(max_examples=15, deadline=None)
def test_reductions_over_trailing_dimensions(engine: str, rows: int, shape: list[int], seed: int, data: Any) -> None:
    x = values(seed, (rows, *shape))
    count = data.draw(st.integers(1, len(shape)))
    axes = tuple(range(x.ndim - count, x.ndim))
    exact = x.astype(np.float64)
    for function, reference in ((nl.sum, np.sum), (nl.max, np.max), (nl.min, np.min), (nl.mean, np.mean)):
        got = unary_kernel(lambda t, f=function: f(t, axis=axes, keepdims=True), engine)(x)
        np.testing.assert_allclose(got, reference(exact, axis=axes, keepdims=True), rtol=1e-5, atol=1e-4)
    got = unary_kernel(lambda t: nl.var(t, axis=list(axes)), engine)(x)
    np.testing.assert_allclose(got, np.var(exact, axis=axes, keepdims=True), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.float32, BF16])
def test_softmax_and_rms_norm(engine: str, dtype: Any) -> None:
    x = (values(5, (77, 130)) * 3).astype(dtype)
    exact = x.astype(np.float64)
    weights = np.exp(exact - exact.max(1, keepdims=True))
    tolerance = 1e-5 if dtype is np.float32 else 2**-8
    got = unary_kernel(lambda t: nl.softmax(t, axis=-1), engine)(x)
    np.testing.assert_allclose(got.astype(np.float64), weights / weights.sum(1, keepdims=True), atol=tolerance)
    w = values(6, (77, 130)).astype(dtype)
    want = exact / np.sqrt((exact**2).sum(1, keepdims=True) / 130 + 1e-6) * w.astype(np.float64)
    got = binary_kernel(lambda a, b: nl.rms_norm(a, b, axis=1, n=130), engine)(x, w)
    np.testing.assert_allclose(got.astype(np.float64), want, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("engine", ENGINES)
def test_softmax_over_the_last_of_three_dimensions(engine: str) -> None:
    x = values(8, (5, 3, 17))
    exact = np.exp(x.astype(np.float64) - x.max(2, keepdims=True))
    got = unary_kernel(lambda t: nl.softmax(t, axis=2), engine)(x)
    np.testing.assert_allclose(got, exact / exact.sum(2, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@given(sizes=st.tuples(st.integers(1, 128), st.integers(1, 128), st.integers(1, 140)), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_matmul_and_transpose(engine: str, sizes: tuple[int, int, int], seed: int) -> None:
    m, k, n = sizes
    x, y = values(seed, (m, k)), values(seed + 1, (k, n))
    want = x.astype(np.float64) @ y.astype(np.float64)
    bound = 1e-5 * (np.abs(x) @ np.abs(y)) + 1e-6
    assert (np.abs(binary_kernel(nl.matmul, engine)(x, y) - want) <= bound).all()
    transposed = np.ascontiguousarray(x.T)
    got = binary_kernel(lambda a, b: nl.matmul(a, b, transpose_x=True), engine)(transposed, y)
    assert (np.abs(got - want) <= bound).all()
    np.testing.assert_array_equal(unary_kernel(nl.transpose, engine)(x), x.T)


@pytest.mark.parametrize("engine", ENGINES)
def test_where_broadcast_and_fill(engine: str) -> None:
    x = values(4, (33, 20))
    got = unary_kernel(lambda t: nl.where(nl.greater(t, 0.0), t, -1.0), engine)(x)
    np.testing.assert_array_equal(got, np.where(x > 0, x, np.float32(-1)))
    row = values(9, (1, 20))
    np.testing.assert_array_equal(
        unary_kernel(lambda t: nl.broadcast_to(t, (100, 20)), engine)(row), np.broadcast_to(row, (100, 20))
    )
    column = values(9, (33, 1))
    np.testing.assert_array_equal(
        unary_kernel(lambda t: nl.broadcast_to(t, (33, 6)), engine)(column), np.broadcast_to(column, (33, 6))
    )

    @kernel(engine=engine)
    def fills(x):  # type: ignore[no-untyped-def]
        out = nl.zeros((3, 200, 7), nl.int32, buffer=nl.shared_hbm)
        nl.store(out[1, 0:33, 0:1], nl.full((33, 1), 5, nl.int32))
        return out

    want = np.zeros((3, 200, 7), np.int32)
    want[1, :33, 0] = 5
    np.testing.assert_array_equal(fills(x), want)


@pytest.mark.parametrize("engine", ENGINES)
def test_constants_are_there_before_the_kernel_starts(engine: str) -> None:
    table = values(11, (6, 10))

    @kernel(engine=engine)
    def adds_table(x):  # type: ignore[no-untyped-def]
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.add(nl.load(x), nl.load(nl.shared_constant(table))))
        return out

    @kernel(engine=engine)
    def identity(x):  # type: ignore[no-untyped-def]
        first = nl.shared_identity_matrix(x.shape[0], dtype=nl.float32)
        nl.shared_identity_matrix(x.shape[0], dtype=nl.float32)
        out = nl.ndarray((x.shape[0], x.shape[0]), nl.float32, buffer=nl.shared_hbm)
        nl.store(out, first)
        return out

    x = values(12, (6, 10))
    np.testing.assert_array_equal(adds_table(x), x + table)
    np.testing.assert_array_equal(identity(x), np.eye(6, dtype=np.float32))
    assert [i.op for i in identity.program(x).instructions()] == ["dma_copy", "dma_copy"], "loaded once, stored once"


def test_two_tiles_of_different_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"nl.add: the tiles are \[4, 8\] and \[4, 1\]"):
        binary_kernel(nl.add, "reference")(np.ones((4, 8), np.float32), np.ones((4, 1), np.float32))


def test_what_is_owed_says_so() -> None:
    with pytest.raises(NotImplementedYet, match=r"nl\.dropout"):
        unary_kernel(lambda t: nl.dropout(t, 0.5), "reference")(np.ones((4, 8), np.float32))


@pytest.mark.parametrize("engine", ENGINES)
def test_remainders_of_whole_numbers_are_exact(engine: str) -> None:
    x = np.arange(-4096, 4096, dtype=np.float32).reshape(64, 128)
    for divisor in (7.0, -7.0, 15.0, 41.0, -3.0):
        for function, reference in ((nl.mod, np.mod), (nl.fmod, np.fmod)):
            got = unary_kernel(lambda t, f=function, d=divisor: f(t, d), engine)(x)
            np.testing.assert_array_equal(got, reference(x, np.float32(divisor)))
            got = binary_kernel(function, engine)(x, np.full_like(x, divisor))
            np.testing.assert_array_equal(got, reference(x, np.float32(divisor)))
    y = np.random.default_rng(0).integers(1, 100, x.shape).astype(np.int32)
    np.testing.assert_array_equal(binary_kernel(nl.mod, engine)(x.astype(np.int32), y), np.mod(x.astype(np.int32), y))


@pytest.mark.parametrize("engine", ENGINES)
def test_division_by_zero_is_what_it_is_in_floats(engine: str) -> None:
    x = np.array([[1.0, -2.0, 0.0]], np.float32)
    np.testing.assert_array_equal(unary_kernel(lambda t: nl.divide(t, 0), engine)(x), [[np.inf, -np.inf, np.nan]])


@pytest.mark.parametrize("engine", ENGINES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_a_remainder_lies_between_zero_and_the_divisor(engine: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.uniform(0.01, 9, (16, 64)).astype(np.float32)
    # Just below, at and just above whole multiples, where a quotient from a reciprocal goes wrong.
    x = np.nextafter(
        y * rng.integers(1, 50, y.shape).astype(np.float32), rng.choice(np.array([0.0, 1e9], np.float32), y.shape)
    )
    got = binary_kernel(nl.fmod, engine)(x, y)
    assert (got >= 0).all() and (got < y).all()
