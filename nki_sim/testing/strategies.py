"""Hypothesis strategies for kernel inputs: data types, shapes, and tiles with the values that break kernels.

Hypothesis chooses the *style* of a tile and a seed; NumPy fills it, so that a large tile costs no more entropy than a
small one and failures still shrink: styles are ordered from plain to hostile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from nki_sim.program.dtypes import ALL, DType, bool_, dtype_of, tfloat32
from nki_sim.testing.examples import Example
from nki_sim.testing.tolerance import limits_of

Style = Literal["small integers", "normal", "negative", "constant rows", "zeros", "wide range", "subnormal", "mixed"]
STYLES: tuple[Style, ...] = (
    "small integers", "normal", "negative", "constant rows", "zeros", "wide range", "subnormal", "mixed",
)  # fmt: skip

# Sizes on either side of the partition, quadrant and bank limits.
_EDGES = (1, 2, 3, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513)


def dtypes(*kinds: str, min_itemsize: int = 1, max_itemsize: int = 4) -> st.SearchStrategy[DType]:
    """NKI data types of the given kinds ("float", "int", "uint", "bool"; default: floats), by bytes per element.

    tfloat32 is left out: a NumPy array cannot say that it holds it.
    """
    wanted = kinds or ("float",)
    found = [d for d in ALL if d.kind in wanted and d is not tfloat32 and min_itemsize <= d.itemsize <= max_itemsize]
    # Widest first: failures shrink towards the type with the fewest surprises.
    return st.sampled_from(sorted(found, key=lambda d: -d.itemsize))


def sizes(low: int = 1, high: int = 300, *, multiple_of: int = 1) -> st.SearchStrategy[int]:
    """One dimension, in [low, high] and a multiple of `multiple_of`; often at or beside a hardware limit.

    Raises ValueError when there is no such number.
    """
    first, last = -(-low // multiple_of), high // multiple_of
    if first > last:
        raise ValueError(f"no multiple of {multiple_of} lies in [{low}, {high}]")
    edges = [e for e in _EDGES if low <= e <= high and e % multiple_of == 0]
    anywhere = st.integers(first, last).map(lambda n: n * multiple_of)
    return st.one_of(anywhere, st.sampled_from(edges)) if edges else anywhere


def shapes(
    dims: int | str = 2, low: int = 1, high: int = 300, *, multiple_of: int = 1, unequal: bool = True
) -> st.SearchStrategy[tuple[int, ...]]:
    """Tuples of `dims` sizes (a number, or letters such as "MKN"), all different while the range allows it.

    Unequal sizes tell apart kernels that mix up dimensions; odd ones, kernels that forget the last partial tile.
    """
    count = dims if isinstance(dims, int) else len(dims)
    available = high // multiple_of - (-(-low // multiple_of)) + 1
    drawn = st.lists(
        sizes(low, high, multiple_of=multiple_of),
        min_size=count,
        max_size=count,
        unique=unequal and available >= count,
    )
    return drawn.map(tuple)


@st.composite
def tiles(
    draw: st.DrawFn,
    shape: Sequence[int] | st.SearchStrategy[tuple[int, ...]],
    dtype: object = "float32",
    *,
    max_magnitude: float | None = None,
    styles: Sequence[Style] = STYLES,
) -> npt.NDArray[Any]:
    """Arrays of a shape and an NKI data type (or a strategy for either), finite, at most `max_magnitude` in size.

    The magnitude is 2^20 unless given (a kernel that squares its input overflows float32 near 2^64), and always within
    the type's range.
    """
    size = tuple(draw(shape)) if isinstance(shape, st.SearchStrategy) else tuple(shape)
    kind = dtype_of(draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype)
    style = draw(st.sampled_from(tuple(styles)))
    seed = draw(st.integers(0, 2**16 - 1))
    return fill(size, kind, style, np.random.default_rng(seed), max_magnitude)


def fill(
    shape: tuple[int, ...],
    dtype: DType,
    style: Style,
    rng: np.random.Generator,
    max_magnitude: float | None = None,
) -> npt.NDArray[Any]:
    """An array of `shape` and `dtype` whose values have the given style."""
    if dtype is bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if not dtype.is_float:
        return _fill_integers(shape, dtype, style, rng, max_magnitude)
    limit = min(2.0**20 if max_magnitude is None else max_magnitude, limits_of(dtype).largest)
    values = np.clip(_raw(shape, dtype, style, rng, limit), -limit, limit)
    rounded = values.astype(dtype.storage)
    # Rounding to a narrow type may step over a limit that the type cannot represent.
    over = np.abs(rounded.astype(np.float64)) > limit
    return np.where(over, np.zeros((), dtype.storage), rounded).astype(dtype.storage)


def _raw(
    shape: tuple[int, ...], dtype: DType, style: Style, rng: np.random.Generator, limit: float
) -> npt.NDArray[np.float64]:
    normal: npt.NDArray[np.float64] = rng.standard_normal(shape)
    if style == "small integers":
        return rng.integers(-3, 4, shape).astype(np.float64)
    if style == "normal":
        return normal
    if style == "negative":
        return -np.abs(normal) - 0.1
    if style == "constant rows":
        column = rng.standard_normal((*shape[:-1], 1)) * rng.choice((0.1, 1.0, 30.0))
        return np.array(np.broadcast_to(column, shape))
    if style == "zeros":
        return np.asarray(np.where(rng.random(shape) < 0.7, 0.0, normal) * rng.choice((-1.0, 1.0), shape))
    low, high = np.log2(limits_of(dtype).smallest_normal), np.log2(limit)
    sign = rng.choice((-1.0, 1.0), shape)
    if style == "wide range":
        return np.asarray(np.exp2(rng.uniform(low, high, shape)) * sign)
    tiny = limits_of(dtype).smallest_subnormal * rng.integers(-3, 4, shape)
    if style == "subnormal":
        return np.asarray(tiny)
    wide = np.exp2(rng.uniform(max(low, high - 20.0), high, shape)) * sign
    pick = rng.integers(0, 4, shape)
    return np.asarray(np.select([pick == 0, pick == 1, pick == 2], [normal, tiny, wide], default=0.0))


def _fill_integers(
    shape: tuple[int, ...], dtype: DType, style: Style, rng: np.random.Generator, max_magnitude: float | None
) -> npt.NDArray[Any]:
    limits = np.iinfo(dtype.storage)
    low, high = int(limits.min), int(limits.max)
    if max_magnitude is not None:
        low, high = max(low, -int(max_magnitude)), min(high, int(max_magnitude))
    near = (max(low, -9), min(high, 9))
    if style in ("zeros", "subnormal"):
        return np.where(rng.random(shape) < 0.7, 0, rng.integers(*near, shape, endpoint=True)).astype(dtype.storage)
    if style in ("wide range", "mixed"):
        anywhere = rng.integers(low, high, shape, dtype=np.int64, endpoint=True)
        return np.where(rng.random(shape) < 0.1, rng.choice((low, high), shape), anywhere).astype(dtype.storage)
    if style == "constant rows":
        column = rng.integers(*near, (*shape[:-1], 1), endpoint=True)
        return np.broadcast_to(column, shape).astype(dtype.storage)
    top = min(high, -1) if style == "negative" and low < 0 else near[1]
    return rng.integers(near[0], top, shape, endpoint=True).astype(dtype.storage)


@st.composite
def arrays_for(
    draw: st.DrawFn,
    example: Example,
    *,
    max_magnitude: float | None = None,
    styles: Sequence[Style] = STYLES,
) -> tuple[Any, ...]:
    """Arguments of an example's shapes and types, with drawn values; static arguments stay as they are."""
    template = example.draw()
    return tuple(
        draw(tiles(a.shape, a.dtype, max_magnitude=max_magnitude, styles=styles)) if isinstance(a, np.ndarray) else a
        for a in template
    )
