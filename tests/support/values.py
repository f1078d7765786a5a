"""Random operands for tests (zeros, negatives, wide ranges, shapes, layouts) and comparisons in bits and ulp."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import DType, from_float32

from .programs import Layout

FLOATS: tuple[DType, ...] = (d.float32, d.bfloat16, d.float16, d.tfloat32, d.float8_e4m3, d.float8_e5m2)
INTEGERS: tuple[DType, ...] = (d.int8, d.uint8, d.int16, d.uint16, d.int32, d.uint32)

seeds = st.integers(0, 2**32 - 1)
partitions = st.sampled_from([1, 2, 5, 31, 32, 33, 128])
free_shapes = st.sampled_from([(1,), (2,), (7,), (17,), (64,), (3, 5), (2, 1, 9), (4, 16)])


def layouts(rows: int, space: str = "sbuf") -> st.SearchStrategy[Layout]:
    """Layouts a tile of `rows` partitions may have on chip (or in HBM): offsets, strides, padding, start partitions."""
    starts = [s for s in (0, 32, 64, 96) if s + rows <= 128 and (s == 0 or rows <= (64 if s == 64 else 32))]
    skips = [0] if space == "hbm" or rows + 32 > 128 else [0, 32] if rows <= 32 else [0]
    return st.builds(
        Layout,
        first_partition=st.sampled_from(starts if skips == [0] else [0]),
        skip_partitions=st.sampled_from(skips),
        step=st.sampled_from([1, 1, 2, 3]),
        before=st.integers(0, 3),
        after=st.integers(0, 2),
    )


def random_values(seed: int, shape: tuple[int, ...], dtype: DType, scale: float = 4.0) -> np.ndarray[Any, Any]:
    """Values of `dtype`, in storage type: about a tenth zeros, a tenth small integers, the rest normal times `scale`.

    Integer types get their whole range, with both ends in it; bool gets 0 and 1.
    """
    generator = np.random.default_rng(seed)
    if dtype is d.bool_:
        return generator.integers(0, 2, shape, np.uint8)
    if dtype.is_integer:
        info = np.iinfo(dtype.storage)
        wide = generator.integers(info.min, info.max, shape, np.int64, endpoint=True)
        small = generator.integers(-3 if info.min < 0 else 0, 4, shape)
        kind = generator.integers(0, 10, shape)
        values = np.where(kind < 4, small, wide)
        return np.where(kind == 8, info.max, np.where(kind == 9, info.min, values)).astype(dtype.storage)
    normal = generator.normal(size=shape) * scale
    kind = generator.integers(0, 10, shape)
    values = np.where(kind == 0, 0.0, np.where(kind == 1, np.round(normal), normal))
    return from_float32(values.astype(np.float32), dtype)


def small_integers(seed: int, shape: tuple[int, ...], dtype: DType) -> np.ndarray[Any, Any]:
    """Integers exact in every type, so that sums and products are exact too: -4 to 4, or 0 to 4 for unsigned types."""
    low = 0 if dtype.kind in ("uint", "bool") else -4
    return np.random.default_rng(seed).integers(low, 5, shape).astype(np.float32).astype(dtype.storage)


def assert_same(actual: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    """Equal bit for bit, except that every NaN equals every NaN."""
    assert actual.dtype == expected.dtype, f"{actual.dtype} is not {expected.dtype}"
    assert actual.size == expected.size
    a, e = np.ascontiguousarray(actual).reshape(-1), np.ascontiguousarray(expected).reshape(-1)
    differs = a.view(f"u{a.dtype.itemsize}") != e.view(f"u{e.dtype.itemsize}")
    if a.dtype.kind not in "iub":
        differs &= ~(np.isnan(a.astype(np.float32)) & np.isnan(e.astype(np.float32)))
    if differs.any():
        first = int(np.argmax(differs))
        raise AssertionError(f"{differs.sum()} of {a.size} differ, first at {first}: {a[first]!r} is not {e[first]!r}")


def ulps(actual: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Distance in units in the last place of float32; 0 where both are NaN, huge where one is."""

    def ordered(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    both = np.isnan(actual) & np.isnan(expected)
    one = np.isnan(actual) ^ np.isnan(expected)
    return np.where(both, 0, np.where(one, 2**40, np.abs(ordered(actual) - ordered(expected))))


def assert_close(actual: np.ndarray[Any, Any], exact: np.ndarray[Any, Any], bound: Any, dtype: DType) -> None:
    """`actual` (of type `dtype`) lies within `bound` of `exact` (float64), plus half a step of `dtype` for the cast."""
    got, want = actual.astype(np.float64).reshape(-1), np.asarray(exact, np.float64).reshape(-1)
    info = {d.float32: 2.0**-24, d.tfloat32: 2.0**-11, d.bfloat16: 2.0**-8, d.float16: 2.0**-11}
    step = info[dtype] * np.abs(want) * 1.01 + (2.0**-25 if dtype is d.float16 else 2.0**-149)
    allowed = np.broadcast_to(np.asarray(bound, np.float64).reshape(-1), want.shape) + step
    wrong = ~(np.abs(got - want) <= allowed)
    if wrong.any():
        i = int(np.argmax(wrong))
        detail = f"{got[i]!r}, not {want[i]!r} +- {allowed[i]!r}"
        raise AssertionError(f"{wrong.sum()} of {want.size} off, first at {i}: {detail}")
