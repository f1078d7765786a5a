"""Reductions of nl over trailing free dimensions: sum, max, min, prod, mean, var, all."""

from __future__ import annotations

import builtins
from typing import Any

from nki_sim import isa as nisa
from nki_sim.language import elementwise as ew
from nki_sim.language.failure import fail
from nki_sim.language.tensor import ndarray
from nki_sim.program.dtypes import float32


def trailing_axes(name: str, x: ndarray, axis: Any) -> tuple[int, ...]:
    """`axis` as sorted non-negative positions. They must be the last free dimensions of x, without a gap."""
    wanted = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    if not builtins.all(isinstance(a, int) and -x.ndim <= a < x.ndim for a in wanted):
        fail(
            "shape",
            f"nl.{name}: axis {axis!r} does not exist in a tile of shape {list(x.shape)}",
            fix=f"use an axis from 1 to {x.ndim - 1}, or negative from the end",
        )
    axes = tuple(sorted({a % x.ndim for a in wanted}))
    if axes and axes[0] == 0:
        fail(
            "shape",
            f"nl.{name}: axis 0 of {list(x.shape)} is the partition dimension, which cannot be reduced here",
            fix="use nisa.tensor_partition_reduce, or nisa.nc_matmul with a column of ones",
        )
    if axes != tuple(range(x.ndim - len(axes), x.ndim)) or not axes:
        fail(
            "shape",
            f"nl.{name}: axis {list(axes)} of {list(x.shape)}; only the last dimensions can be reduced",
            fix="bring the axes to the end with .permute",
        )
    return axes


def reduced_shape(x: ndarray, axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    kept = tuple(x.shape[: axes[0]])
    shape = kept + (1,) * len(axes) if keepdims else kept
    return shape if len(shape) > 1 else (*shape, 1)


def reduce_tile(
    operator: str, x: ndarray, axes: tuple[int, ...], dtype: Any, keepdims: bool = False, negate: bool = False
) -> ndarray:
    """A new tile with `x` reduced by the named operator."""
    out = ndarray(reduced_shape(x, axes, keepdims), dtype or x.dtype)
    nisa.tensor_reduce(dst=out, op=ew._Named(operator), data=x, axis=axes, negate=negate, keepdims=keepdims)
    return out


def sum(x: ndarray, axis: Any, dtype: Any = None, keepdims: bool = False) -> ndarray:  # noqa: A001
    """Sum over `axis`, accumulated in float32."""
    return reduce_tile("add", x, trailing_axes("sum", x, axis), dtype, keepdims)


def max(x: ndarray, axis: Any, dtype: Any = None, keepdims: bool = False) -> ndarray:  # noqa: A001
    """Maximum over `axis`."""
    return reduce_tile("maximum", x, trailing_axes("max", x, axis), dtype, keepdims)


def min(x: ndarray, axis: Any, dtype: Any = None, keepdims: bool = False) -> ndarray:  # noqa: A001
    """Minimum over `axis`."""
    return reduce_tile("minimum", x, trailing_axes("min", x, axis), dtype, keepdims)


def prod(x: ndarray, axis: Any, dtype: Any = None, keepdims: bool = False) -> ndarray:
    """Product over `axis`."""
    return reduce_tile("multiply", x, trailing_axes("prod", x, axis), dtype, keepdims)


def all(x: ndarray, axis: Any, dtype: Any = None) -> ndarray:  # noqa: A001
    """1 where every element over `axis` is not 0, else 0."""
    return reduce_tile("logical_and", x, trailing_axes("all", x, axis), dtype)


def mean(x: ndarray, axis: Any, dtype: Any = None, keepdims: bool = False) -> ndarray:
    """Arithmetic mean over `axis`, computed in float32."""
    axes = trailing_axes("mean", x, axis)
    total = reduce_tile("add", x, axes, float32, keepdims)
    return ew.binary("multiply", total, 1.0 / _count(x, axes), dtype or x.dtype)


def var(x: ndarray, axis: Any, dtype: Any = None, keepdims: bool = True) -> ndarray:
    """Population variance over `axis`, in float32. The reduced dimensions always stay, as the documents say."""
    from nki_sim.language.composite import spread

    axes = trailing_axes("var", x, axis)
    average = mean(x, axes, float32, keepdims=True)
    centred = ew.tile_like(x, float32)
    nisa.tensor_tensor(centred, x, spread(average, x.shape), op=ew.subtract)
    total = reduce_tile("add", ew.square(centred, float32), axes, float32, keepdims=True)
    return ew.binary("multiply", total, 1.0 / _count(x, axes), dtype or x.dtype)


def _count(x: ndarray, axes: tuple[int, ...]) -> int:
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return count
