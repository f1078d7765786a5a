"""DType: names and lookups; casts from float32 against exact arithmetic and against ml_dtypes."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.program import dtypes
from nki_sim.program.dtypes import DType, cast, dtype_of, from_float32, round_tfloat32, to_float32

FLOATS = [d for d in dtypes.ALL if d.is_float]
INTEGERS = [d for d in dtypes.ALL if d.is_integer]
SMALL = [d for d in FLOATS if d.itemsize == 1]
# Exponents, ties and overflow all over the range, not only where floats are dense.
bits = st.one_of(
    st.integers(0, 2**32 - 1),
    st.builds(
        lambda sign, exponent, mantissa: sign << 31 | exponent << 23 | mantissa,
        st.integers(0, 1),
        st.integers(100, 160),
        st.sampled_from([0, 1, 1 << 12, 1 << 13, 3 << 12, 1 << 15, 3 << 15, 1 << 19, 3 << 19, 1 << 20, 0x7FFFFF]),
    ),
)


def floats_of(words: list[int]) -> Any:
    return np.array(words, np.uint32).view(np.float32)


@pytest.mark.parametrize("dtype", dtypes.ALL)
def test_a_dtype_is_its_name(dtype: DType) -> None:
    assert dtype == str(dtype) and hash(dtype) == hash(str(dtype))
    assert dtype_of(str(dtype)) is dtype is dtype_of(dtype)
    assert dtype_of(f"torch.{dtype}") is dtype is dtype_of(f"nl.{dtype}")
    assert repr(dtype) == f"nl.{dtype}" and dtype.name == str(dtype)
    assert pickle.loads(pickle.dumps(dtype)) is dtype is copy.deepcopy(dtype)
    assert dtype.itemsize == dtype.storage.itemsize
    assert dtype.is_float + dtype.is_integer + (dtype.kind == "bool") == 1


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d not in ("tfloat32", "bool")])
def test_a_dtype_is_its_numpy_type(dtype: DType) -> None:
    assert dtype_of(dtype.storage) is dtype is dtype_of(dtype.storage.type)
    assert dtype == dtype.storage and dtype == dtype.storage.type


def test_the_types_that_share_their_storage() -> None:
    assert dtype_of(np.float32) is dtypes.float32 and dtypes.tfloat32 != np.float32
    assert dtype_of(np.uint8) is dtypes.uint8 and dtype_of(np.bool_) is dtypes.bool_ is dtype_of(bool)
    assert dtypes.float32.class32 and dtypes.tfloat32.class32
    assert not dtypes.int32.class32 and not dtypes.bfloat16.class32


@given(st.sampled_from(dtypes.ALL), st.sampled_from(dtypes.ALL))
def test_equality_is_identity(a: DType, b: DType) -> None:
    assert (a == b) == (a is b)
    assert (a != b) == (a is not b)


@pytest.mark.parametrize("other", [np.float64, "float64", np.dtype("int64"), "f4x", None, 3, object(), complex, list])
def test_what_is_no_nki_type(other: Any) -> None:
    # NumPy takes None for float64.
    with pytest.raises(TypeError, match="is not an NKI data type; NKI has int8, "):
        dtype_of(other)
    assert all(d != other for d in dtypes.ALL)


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d.itemsize <= 2])
def test_every_value_of_a_narrow_type_survives(dtype: DType) -> None:
    words = np.arange(256**dtype.itemsize, dtype=np.uint32).astype(f"uint{8 * dtype.itemsize}")
    if dtype.kind == "bool":
        words = words[:2]
    values = words.view(dtype.storage)
    back = from_float32(to_float32(values), dtype)
    assert back.dtype == dtype.storage
    nan = np.isnan(values.astype(np.float32))
    np.testing.assert_array_equal(back[~nan].view(words.dtype), words[~nan])
    assert np.isnan(back[nan].astype(np.float32)).all()


def finite_values(dtype: DType) -> list[tuple[Fraction, int]]:
    """Every finite value of an eight-bit float with its last mantissa bit, in order of size."""
    words = np.arange(256, dtype=np.uint8)
    values = words.view(dtype.storage).astype(np.float32)
    return sorted(
        (Fraction(float(v)), int(w) & 1) for v, w in zip(values, words, strict=True) if np.isfinite(v) and w != 0x80
    )


@pytest.mark.parametrize("dtype", SMALL)
def test_eight_bit_floats_round_to_the_nearest_even(dtype: DType) -> None:
    table = finite_values(dtype)
    largest, second = table[-1][0], table[-2][0]
    threshold = largest + (largest - second) / 2

    @given(st.lists(bits, min_size=1, max_size=40))
    def holds(words: list[int]) -> None:
        values = floats_of(words)
        for value, result in zip(values, from_float32(values, dtype).astype(np.float32), strict=True):
            if not np.isfinite(value):
                assert not np.isfinite(result)
                continue
            exact = Fraction(float(value))
            if abs(exact) >= threshold:
                # Ties at the threshold go to the value beyond the largest, which is infinity, or NaN without one.
                assert not np.isfinite(result) or abs(exact) == threshold
                continue
            distance = min(abs(exact - v) for v, _ in table)
            nearest = {v: last for v, last in table if abs(exact - v) == distance}
            assert Fraction(float(result)) in nearest
            if len(nearest) == 2:
                assert nearest[Fraction(float(result))] == 0
            assert np.signbit(result) == np.signbit(value)

    holds()


@given(st.lists(bits, min_size=1, max_size=200), st.sampled_from(FLOATS))
def test_floats_agree_with_ml_dtypes_and_numpy(words: list[int], dtype: DType) -> None:
    values = floats_of(words)
    ours = from_float32(values, dtype)
    if dtype == "tfloat32":
        # Rounding to 10 mantissa bits is what float16 does where its exponent reaches.
        inside = (np.abs(values) < 65504) & (np.abs(values) >= 2.0**-14)
        np.testing.assert_array_equal(ours[inside], values[inside].astype(np.float16).astype(np.float32))
        return
    with np.errstate(over="ignore", invalid="ignore"):
        expected = values.astype(dtype.storage)
    carrier = f"uint{8 * dtype.itemsize}"
    nan = np.isnan(values) | np.isnan(expected.astype(np.float32))
    np.testing.assert_array_equal(ours[~nan].view(carrier), expected[~nan].view(carrier))
    assert np.isnan(ours[nan].astype(np.float32)).all()


@given(bits)
def test_tfloat32_keeps_ten_bits_of_the_nearest_even(word: int) -> None:
    value = floats_of([word])
    rounded = round_tfloat32(value)
    assert int(rounded.view(np.uint32)[0]) & 0x1FFF == 0
    if not np.isfinite(value[0]):
        np.testing.assert_array_equal(rounded, value)
        return
    assert np.signbit(rounded[0]) == np.signbit(value[0])
    low = word & 0xFFFFE000
    candidates = [low, low + 0x2000]
    exact = Fraction(float(value[0]))
    step = Fraction(1, 2**149) * 0x2000 if not word & 0x7F800000 else None
    distances = []
    for candidate in candidates:
        found = floats_of([candidate & 0xFFFFFFFF])[0]
        # One step past the largest finite value stands for infinity.
        near = Fraction(float(found)) if np.isfinite(found) else Fraction(2) ** 128 * (-1 if word >> 31 else 1)
        distances.append(abs(exact - near))
    assert step is None or distances[0] + distances[1] == step
    best = min(distances)
    chosen = candidates.index(int(rounded.view(np.uint32)[0]))
    assert distances[chosen] == best
    if distances[0] == distances[1]:
        assert candidates[chosen] & 0x2000 == 0


@given(
    st.floats(width=32).map(lambda x: np.array([x], np.float32)) | bits.map(lambda w: floats_of([w])),
    st.sampled_from(INTEGERS),
)
def test_integers_round_half_to_even_and_saturate(values: Any, dtype: DType) -> None:
    result = int(from_float32(values, dtype)[0])
    value = float(values[0])
    limits = np.iinfo(dtype.storage)
    if np.isnan(value):
        assert result == 0
    elif np.isinf(value):
        assert result == (limits.max if value > 0 else limits.min)
    else:
        assert result == min(max(round(Fraction(value)), limits.min), limits.max)


@given(st.floats(width=32))
def test_bool_is_not_zero(value: float) -> None:
    assert from_float32(np.array([value], np.float32), dtypes.bool_)[0] == (value != 0)


@given(st.sampled_from(dtypes.ALL), st.binary(min_size=16, max_size=16))
def test_a_cast_to_the_same_type_is_bit_exact(dtype: DType, data: bytes) -> None:
    values = np.frombuffer(data, dtype.storage)
    assert cast(values, dtype, dtype).tobytes() == data


@given(st.sampled_from(INTEGERS), st.sampled_from(dtypes.ALL), st.binary(min_size=16, max_size=16))
def test_a_cast_goes_through_float32(source: DType, target: DType, data: bytes) -> None:
    values = np.frombuffer(data, source.storage)
    if source is not target:
        assert cast(values, source, target).tobytes() == from_float32(values.astype(np.float32), target).tobytes()


def test_float32_is_given_back_as_it_is() -> None:
    values = np.ones(3, np.float32)
    assert from_float32(values, dtypes.float32) is values is to_float32(values)


def test_shapes_stay() -> None:
    values = np.linspace(-9, 9, 24, dtype=np.float32).reshape(2, 3, 4)[:, ::2, ::-1]
    for dtype in dtypes.ALL:
        assert from_float32(values, dtype).shape == values.shape


def test_overflow_is_infinity_where_there_is_one() -> None:
    huge = np.array([1e30, -1e30], np.float32)
    for dtype in (dtypes.float16, dtypes.float8_e5m2, dtypes.float8_e4m3):
        np.testing.assert_array_equal(from_float32(huge, dtype).astype(np.float32), [np.inf, -np.inf])
    assert np.isnan(from_float32(huge, dtypes.float8_e4m3fn).astype(np.float32)).all()
    assert dtypes.bfloat16.storage == ml_dtypes.bfloat16
