"""assert_matches accepts honest float32 arithmetic on hostile inputs, and rejects every kind of wrong kernel."""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nki_sim.program.dtypes import DType, dtype_of, from_float32
from nki_sim.testing import MismatchError, assert_matches, compare, tolerance_for
from nki_sim.testing.compare import sensitivity, ulp_distance
from nki_sim.testing.strategies import dtypes, shapes, tiles

Array = np.ndarray[Any, Any]
MODEST = settings(max_examples=30, deadline=None)


def softmax(x: Array) -> Array:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def normalise(x: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + x.dtype.type(1e-5))


def product(x: Array, y: Array) -> Array:
    return x @ y


def add(x: Array, y: Array) -> Array:
    return x + y


@st.composite
def cases(draw: st.DrawFn) -> tuple[Callable[..., Array], tuple[Array, ...]]:
    """A function and float32 inputs for it."""
    M, K, N = draw(shapes("MKN", 1, 80))
    x = draw(tiles((M, K), max_magnitude=2.0**15))
    which = draw(st.sampled_from(("product", "add", "softmax", "normalise")))
    if which == "product":
        return product, (x, draw(tiles((K, N), max_magnitude=2.0**15)))
    if which == "add":
        return add, (x, draw(tiles((M, K), max_magnitude=2.0**15)))
    return (softmax if which == "softmax" else normalise), (x,)


@MODEST
@given(case=cases(), dtype=st.sampled_from(("float32", "bfloat16")))
def test_float32_arithmetic_with_one_final_rounding_is_accepted(case: Any, dtype: str) -> None:
    function, args = case

    def kernel(*inputs: Array) -> Array:
        return from_float32(function(*inputs).astype(np.float32), dtype_of(dtype))

    assert_matches(kernel, function, *args)


@MODEST
@given(case=cases(), data=st.data())
def test_one_element_moved_beyond_its_bound_is_rejected_and_named(case: Any, data: st.DataObject) -> None:
    function, args = case
    right = function(*args).astype(np.float32)
    exact = function(*(a.astype(np.float64) for a in args))
    at = tuple(data.draw(st.integers(0, n - 1)) for n in right.shape)
    bound = compare(right, exact, tolerance_for("float32", max(max(a.shape) for a in args)),
                    sensitivity(function, [a.astype(np.float64) for a in args])[0]).bound[at]  # fmt: skip
    wrong = right.copy()
    wrong[at] = np.float32(exact[at] + data.draw(st.sampled_from((-1.0, 1.0))) * (4.0 * bound + 1e-30))
    assume(np.isfinite(wrong[at]))
    with pytest.raises(MismatchError, match="does not match") as caught:
        assert_matches(lambda *_: wrong, function, *args)
    assert caught.value.comparison.worst == at
    assert f"worst at [{', '.join(map(str, at))}]" in str(caught.value)


def drop_last_term(x: Array, y: Array) -> Array:
    return x[:, :-1] @ y[:-1]


def accumulate_in_bfloat16(x: Array, y: Array) -> Array:
    total = np.zeros((x.shape[0], y.shape[1]), ml_dtypes.bfloat16)
    for k in range(x.shape[1]):
        total = (total.astype(np.float32) + np.outer(x[:, k], y[k])).astype(ml_dtypes.bfloat16)
    return total.astype(np.float32)


def forget_partial_tile(x: Array, y: Array) -> Array:
    out = np.zeros((x.shape[0], y.shape[1]), np.float32)
    out[:128] = x[:128] @ y
    return out


def swap_two_rows(x: Array, y: Array) -> Array:
    return (x @ y)[::-1]


def add_first_tile_twice(x: Array, y: Array) -> Array:
    return x @ y + x[:, :1] @ y[:1]


@pytest.mark.parametrize(
    "wrong", [drop_last_term, accumulate_in_bfloat16, forget_partial_tile, swap_two_rows, add_first_tile_twice]
)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_wrong_products_are_rejected(wrong: Callable[..., Array], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((130, 70), dtype=np.float32), rng.standard_normal((70, 33), dtype=np.float32)
    assert_matches(product, product, x, y)
    with pytest.raises(MismatchError):
        assert_matches(wrong, product, x, y)


def test_softmax_without_the_maximum_is_rejected_only_where_it_overflows() -> None:
    def naive(x: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)

    x = np.random.default_rng(0).standard_normal((4, 50)).astype(np.float32)
    assert_matches(naive, softmax, x)
    x[2] += np.float32(200.0)
    with pytest.raises(MismatchError) as caught:
        assert_matches(naive, softmax, x)
    assert caught.value.comparison.wrong.any(axis=1).tolist() == [False, False, True, False]


def test_a_wrong_small_element_is_found_beside_a_huge_one() -> None:
    x = np.array([[1e20, 1.0], [2.0, 3.0]], dtype=np.float32)
    got = x * 2
    got[1, 0] = 4.001
    with pytest.raises(MismatchError, match=r"worst at \[1, 0\]"):
        assert_matches(lambda a: got, lambda a: a * 2, x)


def test_the_message_says_where_how_much_and_which_tiles() -> None:
    x = np.ones((256, 1024), dtype=np.float32)
    wrong = x * 2
    wrong[128:, 512:] = 2.5
    with pytest.raises(MismatchError) as caught:
        assert_matches(lambda a: wrong, lambda a: a * 2, x)
    assert str(caught.value) == (
        "<lambda> does not match its reference: 65536 of 262144 elements (25 %) are wrong\n"
        "  worst at [128, 512]: got 2.5, expected 2, 2097152 ulp of float32 apart\n"
        f"  error 0.5, allowed {2 * (2.0**-24 + tolerance_for('float32', 1024).compute):.3g}\n"
        "  in 1 of 4 tiles of 128 x 512 (free axes flattened):\n"
        "    tile (1, 1), rows 128-255, columns 512-1023: 65536 wrong"
    )


def test_every_output_is_compared() -> None:
    def both(x: Array) -> tuple[Array, Array]:
        return x + 1, x - 1

    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert_matches(both, both, x)
    with pytest.raises(MismatchError, match="output 1,"):
        assert_matches(lambda a: (a + 1, a), both, x)
    with pytest.raises(ValueError, match="returns 1 tensors, the reference 2"):
        assert_matches(lambda a: a + 1, both, x)


def test_shapes_must_agree_and_something_must_come_back() -> None:
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="shape"):
        assert_matches(lambda a: a.T, lambda a: a, x)
    with pytest.raises(ValueError, match="returns nothing"):
        assert_matches(lambda a: None, lambda a: a, x)


def test_static_arguments_and_options_reach_both_sides() -> None:
    def scale(x: Array, factor: float, *, shift: float = 0.0) -> Array:
        return x * x.dtype.type(factor) + x.dtype.type(shift)

    assert_matches(scale, scale, np.ones((2, 2), np.float32), 3.0, shift=0.5)
    with pytest.raises(MismatchError):
        assert_matches(scale, lambda x, factor, shift: x * factor, np.ones((2, 2), np.float32), 3.0, shift=0.5)


@pytest.mark.parametrize(
    ("got", "expected", "passes"),
    [
        (np.nan, np.nan, True), (np.nan, 1.0, False), (1.0, np.nan, False), (np.inf, np.inf, True),
        (-np.inf, np.inf, False), (np.inf, 1e39, True), (-np.inf, 1e39, False), (np.inf, 1e38, False),
        (3e38, np.inf, False), (1e-40, 0.0, True), (0.0, 1e-40, True), (1e-37, 0.0, False),
    ],
)  # fmt: skip
def test_special_values(got: float, expected: float, passes: bool) -> None:
    result = compare(np.array([[got]], np.float32), np.array([[expected]]), tolerance_for("float32"))
    assert result.passes is passes


@given(value=st.integers(-300, 300), off=st.integers(-2, 2))
def test_integers_match_exactly_after_saturation(value: int, off: int) -> None:
    wanted = np.array([[float(value)]])
    got = np.clip(wanted, -128, 127).astype(np.int8).astype(np.int16) + off
    assume(-128 <= got[0, 0] <= 127)
    assert compare(got.astype(np.int8), wanted, tolerance_for("int8")).passes is (off == 0)


@given(dtype=dtypes(), data=st.data())
def test_ulp_distance_counts_representable_values(dtype: DType, data: st.DataObject) -> None:
    values = data.draw(tiles((1, 1), dtype))
    here = float(values[0, 0])
    stepped = values
    steps = data.draw(st.integers(0, 5))
    for _ in range(steps):
        stepped = np.nextafter(stepped, np.array(np.inf, values.dtype))
    assume(np.isfinite(stepped.astype(np.float32)).all())
    assert ulp_distance(float(stepped[0, 0]), here, dtype) == steps


def test_sensitivity_follows_cancellation_element_by_element() -> None:
    x = np.array([[1e6, -1e6, 1.0], [1.0, 2.0, 3.0]])
    spread = sensitivity(lambda a: a.sum(axis=1, keepdims=True), [x])[0]
    assert spread[0, 0] > 1e5 and spread[1, 0] < 10.0


def test_sensitivity_of_a_function_of_static_values_is_zero() -> None:
    assert sensitivity(lambda n: np.full((2, 2), float(n)), [3])[0].max() == 0.0
