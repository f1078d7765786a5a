"""What the operators of the instruction set mean, in NumPy: arithmetic, integer, bitvec and reduction operators.

Names are those of nki.language. Sources: nki.api.shared.rst, "Supported Math Operators", and the nki.language page of
each function. Where the documents are silent, and assumed here:

* maximum and minimum are those of IEEE 754-2019: NaN wins, and +0 is above -0; so their reductions have no order.
* 32-bit integer results wrap modulo 2**32; a shift by the width or more gives 0.
* a reduction by subtract is the first element less all others.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Binary = Callable[[Any, Any], Any]


def _float32(values: Array) -> Float32:
    return np.asarray(values).astype(np.float32)


def maximum(x: Array, y: Array) -> Array:
    """The larger value; NaN if either is NaN; +0 before -0."""
    tied = np.where(np.signbit(x), y, x)
    larger = np.where(x == y, tied, np.where(x > y, x, y))
    return np.where(np.isnan(x), x, np.where(np.isnan(y), y, larger))


def minimum(x: Array, y: Array) -> Array:
    """The smaller value; NaN if either is NaN; -0 before +0."""
    tied = np.where(np.signbit(x), x, y)
    smaller = np.where(x == y, tied, np.where(x < y, x, y))
    return np.where(np.isnan(x), x, np.where(np.isnan(y), y, smaller))


def _power(x: Float32, y: Float32) -> Float32:
    return _float32(np.power(x.astype(np.float64), y.astype(np.float64)))


def rsqrt(x: Float32) -> Float32:
    """One over the square root, rounded once."""
    return _float32(1.0 / np.sqrt(x.astype(np.float64)))


def relu(x: Float32) -> Float32:
    """The larger of x and +0."""
    return _float32(maximum(x, np.float32(0.0)))


def _truth(values: Array) -> Float32:
    """Comparisons and logical operators give 1.0 or 0.0."""
    return values.astype(np.float32)


COMPARISONS: MappingProxyType[str, Binary] = MappingProxyType(
    {
        "equal": operator.eq,
        "not_equal": operator.ne,
        "greater": operator.gt,
        "greater_equal": operator.ge,
        "less": operator.lt,
        "less_equal": operator.le,
        "logical_and": lambda x, y: (x != 0) & (y != 0),
        "logical_or": lambda x, y: (x != 0) | (y != 0),
        "logical_xor": lambda x, y: (x != 0) ^ (y != 0),
    }
)
"""Give booleans, for floats and integers alike."""

# abs_max and abs_min keep the sign and take y on a tie: nki.language.abs_max, "x if |x| > |y|, else y".
_VALUES: MappingProxyType[str, Binary] = MappingProxyType(
    {
        "add": operator.add,
        "subtract": operator.sub,
        "multiply": operator.mul,
        "abs_max": lambda x, y: np.where(np.abs(x) > np.abs(y), x, y),
        "abs_min": lambda x, y: np.where(np.abs(x) < np.abs(y), x, y),
    }
)

UNARY: MappingProxyType[str, Callable[[Float32], Float32]] = MappingProxyType(
    {
        "abs": np.abs,
        "square": lambda x: x * x,
        "relu": relu,
        "rsqrt": rsqrt,
        "reciprocal": lambda x: np.float32(1.0) / x,
    }
)
"""Arithmetic operators of one argument."""

BITVEC: frozenset[str] = frozenset({"invert", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"})
INTEGER: frozenset[str] = frozenset({*_VALUES, *COMPARISONS, "maximum", "minimum"})
"""Operators that `integer_binary` has."""
ARITHMETIC: frozenset[str] = frozenset({*INTEGER, "power", *UNARY})
"""Operators that compute in float32."""
UNARY_NAMES: frozenset[str] = frozenset({*UNARY, "invert"})


def arithmetic(op: str, x: Float32, y: Float32 | None = None, reverse: bool = False) -> Float32:
    """`x op y` in float32 with one rounding, or `y op x` when reversed; unary operators look at `x` only.

    Raises KeyError for an operator that is not arithmetic.
    """
    if op in UNARY:
        return _float32(UNARY[op](x))
    assert y is not None
    left, right = (y, x) if reverse else (x, y)
    if op in COMPARISONS:
        return _truth(COMPARISONS[op](left, right))
    if op == "power":
        return _power(left, right)
    if op in ("maximum", "minimum"):
        return _float32((maximum if op == "maximum" else minimum)(left, right))
    return _float32(_VALUES[op](left, right))


def integer_binary(op: str, x: Array, y: Array, storage: np.dtype[Any]) -> Array:
    """`x op y` on 32-bit integers, exactly; the result modulo 2**32 as `storage` (nki.isa.tensor_tensor)."""
    # 64-bit products may wrap too, but only above bit 63: the low 32 bits are right.
    left, right = x.astype(np.int64), y.astype(np.int64)
    if op in COMPARISONS:
        return np.asarray(COMPARISONS[op](left, right)).astype(storage)
    named: dict[str, Binary] = {"maximum": np.maximum, "minimum": np.minimum, **_VALUES}
    wide = np.asarray(named[op](left, right))
    result: Array = (wide & 0xFFFFFFFF).astype(np.uint32).view(storage)
    return result


def unsigned_bits(values: Array) -> Array:
    """Integers as unsigned integers of the same width, bit for bit."""
    bits: Array = values.view(f"u{values.dtype.itemsize}")
    return bits


def bitvec(op: str, x: Array, y: Array | None = None, reverse: bool = False) -> Array:
    """`x op y` on bit patterns; both unsigned, the result as wide as `x`. Shifts are logical; see the module's notes.

    A narrower or wider `y` is taken modulo the width of `x` for bitwise operators (assumed).
    """
    if op == "invert":
        return np.invert(x)
    assert y is not None
    width = x.dtype.itemsize * 8
    wide, other = x.astype(np.uint64), y.astype(np.uint64)
    left, right = (other, wide) if reverse else (wide, other)
    if op in ("left_shift", "right_shift"):
        shift = np.left_shift if op == "left_shift" else np.right_shift
        result = np.where(right >= width, np.uint64(0), shift(left, np.minimum(right, np.uint64(63))))
    else:
        result = getattr(np, op)(left, right)
    kept: Array = (result & np.uint64(2**width - 1)).astype(x.dtype)
    return kept


def immediate_bits(value: float | int, dtype: np.dtype[Any]) -> Array:
    """A constant of a bitvec operator as an unsigned pattern of `dtype`'s width; negative ones in two's complement."""
    width = dtype.itemsize * 8
    return np.array(int(value) & (2**width - 1), f"u{dtype.itemsize}")


def reduce_float(op: str, values: Float32, axis: tuple[int, ...]) -> Float32:
    """`values` reduced over `axis` (which vanish).

    add, subtract and multiply are worked out in float64 and rounded once; an engine that adds in float32 differs from
    that by at most (n - 1) units of 2**-24 of the sum of magnitudes.
    """
    if op in ("maximum", "max", "minimum", "min"):
        low = op.startswith("min")
        found = (np.min if low else np.max)(values, axis=axis)
        sought = (values == 0) & (np.signbit(values) if low else ~np.signbit(values))
        zero = np.float32(-0.0 if low else 0.0)
        return _float32(np.where(found == 0, np.where(np.any(sought, axis=axis), zero, -zero), found))
    if op.startswith("logical_"):
        truth = values != 0
        named = {"logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor}
        return _truth(named[op].reduce(truth, axis=axis))
    wide = values.astype(np.float64)
    if op == "add":
        return _float32(np.sum(wide, axis=axis))
    if op == "multiply":
        return _float32(np.prod(wide, axis=axis))
    if op == "subtract":
        first = wide[tuple(0 if i in axis else slice(None) for i in range(wide.ndim))]
        return _float32(2 * first - np.sum(wide, axis=axis))
    raise KeyError(op)


def reduce_bits(op: str, bits: Array, axis: tuple[int, ...]) -> Array:
    """Unsigned patterns reduced by bitwise_and, bitwise_or or bitwise_xor."""
    named: dict[str, Any] = {
        "bitwise_and": np.bitwise_and,
        "bitwise_or": np.bitwise_or,
        "bitwise_xor": np.bitwise_xor,
    }
    return np.asarray(named[op].reduce(bits, axis=axis))
