"""How far a result may lie from its float64 reference, derived from data types and the length of the sums.

The rule. With u(T) the unit roundoff of a type T (half the gap between 1 and the next number) and `ref` the reference,
an element `got` of the output is accepted when

    |got - ref| <= output * |ref|  +  compute * max(|ref|, sensitivity)  +  floor

    output   u(output type): the one rounding when the result is stored; 0 for integer outputs, which get half a unit
    compute  GUARD * (sqrt(K) * u(float32) + u(intermediate)): engines compute in float32, and rounding errors of a sum
             of K terms grow like sqrt(K), as a random walk does (Higham and Mary, A New Approach to Probabilistic
             Rounding Error Analysis, 2019); `intermediate` is the narrowest type of a value the kernel keeps on the way
    floor    the smallest normal float32 (below it engines may flush to zero: assumed) and the output's smallest step
    GUARD    8: the constant of the probabilistic bound, and operations that round more than once

`sensitivity` is the condition of the problem, element by element: by how much `ref` changes, relative to the
perturbation, when every input is changed by a tiny random relative amount (see compare.sensitivity). A sum that cancels
or an exponential of a large number earns the slack it needs and no other element does. In other words: a kernel passes
when its result could have come from inputs that are right up to a rounding error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from nki_sim.program.dtypes import DType, dtype_of, float32, tfloat32

GUARD = 8.0
_SMALLEST_NORMAL_FLOAT32 = 2.0**-126


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """The three coefficients of the rule at the head of this file."""

    output: float
    compute: float
    floor: float = _SMALLEST_NORMAL_FLOAT32

    def scaled(self, factor: float) -> Tolerance:
        """This tolerance with every coefficient multiplied by `factor`."""
        return Tolerance(output=self.output * factor, compute=self.compute * factor, floor=self.floor * factor)


@dataclass(frozen=True, kw_only=True)
class FloatLimits:
    """The numbers that describe a floating-point type."""

    epsilon: float
    largest: float
    smallest_normal: float
    smallest_subnormal: float


def limits_of(dtype: DType) -> FloatLimits:
    """The limits of a floating-point type's storage type."""
    found: Any = ml_dtypes.finfo(dtype.storage)  # type: ignore[no-untyped-call]
    return FloatLimits(
        epsilon=float(found.eps),
        largest=float(found.max),
        smallest_normal=float(found.smallest_normal),
        smallest_subnormal=float(found.smallest_subnormal),
    )


def unit_roundoff(dtype: object) -> float:
    """The largest relative error of rounding a normal number to `dtype`; 0 for types that hold integers."""
    found = dtype_of(dtype)
    if not found.is_float:
        return 0.0
    # tfloat32 keeps ten mantissa bits in a float32.
    return 2.0**-11 if found is tfloat32 else limits_of(found).epsilon / 2


def tolerance_for(dtype: object, reduction_length: int = 1, *, intermediate: object = float32) -> Tolerance:
    """The tolerance for an output of type `dtype` that sums `reduction_length` terms.

    `intermediate` is the narrowest type in which the kernel stores a value that the output depends on, its inputs and
    the output itself excepted. Raises ValueError for a length below 1.
    """
    if reduction_length < 1:
        raise ValueError(f"reduction_length is {reduction_length}; a sum has at least one term")
    found = dtype_of(dtype)
    compute = GUARD * (math.sqrt(reduction_length) * unit_roundoff(float32) + unit_roundoff(intermediate))
    return Tolerance(output=unit_roundoff(found), compute=compute, floor=_floor(found))


def default_tolerance(dtype: object, inputs: Sequence[object]) -> Tolerance:
    """`tolerance_for(dtype, K)` with K the longest axis among the array `inputs`: no sum over one axis is longer.

    Integers computed from integers only are exact: no slack.
    """
    arrays = [a for a in inputs if isinstance(a, np.ndarray)]
    found = tolerance_for(dtype, max(1, max((max(a.shape, default=1) for a in arrays), default=1)))
    if not dtype_of(dtype).is_float and all(np.issubdtype(a.dtype, np.integer) for a in arrays):
        return replace(found, compute=0.0)
    return found


def _floor(dtype: DType) -> float:
    if not dtype.is_float:
        return 0.5
    return _SMALLEST_NORMAL_FLOAT32 + limits_of(dtype).smallest_subnormal
