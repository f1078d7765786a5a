"""exp in float32 arithmetic: the one function kernels spend their time in, so that it is worth a coarser evaluation.

x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial that is nearly minimax there, evaluated with fused
multiply-adds; the result scaled by 2^n in two exact halves, so that subnormal results are rounded once.
"""

from __future__ import annotations

from llvmlite import ir

from nki_sim.engines.jit.vector_maths_values import Lanes, like, splat

LOG2_E = 1.4426950408889634
# ln 2 in two parts: the product of a small integer with the first is exact.
LN2_HIGH = 0.693145752
LN2_LOW = 1.42860677e-6
# e^r = 1 + r (1 + r (c[4] + r (c[3] + ...))), highest power first.
EXP = (1.37805939e-3, 8.37312452e-3, 4.16695364e-2, 1.66664720e-1, 4.99999851e-1, 1.0, 1.0)
# Beyond these e^x is zero and infinite in float32.
LOW, HIGH = -104.0, 89.0
# Adding 1.5 * 2**23 rounds to an integer and leaves it in the low bits of the sum.
_ROUNDER = 12582912.0
_ROUNDER_BITS = 0x4B400000
_BIAS, _FRACTION_BITS = 127, 23
_INT32 = ir.IntType(32)


def exp(x: Lanes) -> Lanes:
    """e to the power x; NaN stays NaN."""
    x = x.at_least(LOW).at_most(HIGH)
    shifted = x.fma(LOG2_E, _ROUNDER)
    whole = shifted - _ROUNDER
    rest = whole.fma(-LN2_LOW, whole.fma(-LN2_HIGH, x))
    value = x.constant(EXP[0])
    for coefficient in EXP[1:]:
        value = value.fma(rest, coefficient)
    builder = x.builder
    kind = like(x.type, _INT32)
    # n as the sum of two biased exponents.
    exponents = builder.sub(shifted.bits(), splat(kind, _ROUNDER_BITS - 2 * _BIAS))
    half = builder.ashr(exponents, splat(kind, 1))
    one, other = (
        x.from_bits(builder.shl(exponent, splat(kind, _FRACTION_BITS)))
        for exponent in (half, builder.sub(exponents, half))
    )
    return value * one * other
