"""Transcendental functions on lanes of double, good to about 1e-10.

That is enough for a float32 result that is nearly always the correctly rounded one.
Working in double replaces the compensated arithmetic a float32 evaluation would need: no cancellation between float32
inputs can cost more bits than double has to spare, float32 subnormals are ordinary numbers, and the final rounding
handles underflow and overflow. Every function takes lanes widened from float32. NaN goes in and comes out; infinities
are treated as limits.
"""

from __future__ import annotations

from nki_sim.engines.jit import vector_maths_coefficients as c
from nki_sim.engines.jit.vector_maths_values import ROUNDER, ROUNDER_BITS, Lanes, splat

LN2 = 0.6931471805599453
INVERSE_LN2 = 1.4426950408889634
PI = 3.141592653589793
PI_LOW = 1.2246467991473532e-16
TWO_OVER_SQRT_PI = 1.1283791670955126
INVERSE_SQRT_2PI = 0.3989422804014327
SQRT_HALF = 0.7071067811865476

# exp of anything below is less than half the smallest float32 subnormal (also times any |x| for which it matters),
# exp of anything above overflows float32; in double neither under- nor overflows, nor do their squares.
LOW = -150.0

_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


def _split(x: Lanes) -> tuple[Lanes, Lanes]:
    """(r, 2**n) with x = n ln(2) + r and |r| <= ln(2) / 2. |x| must be below 700 or NaN."""
    builder = x.builder
    shifted = x.fma(INVERSE_LN2, ROUNDER)
    n = shifted - ROUNDER
    r = n.fma(-LN2, x)
    # n stands in the low bits of `shifted`; moved to the exponent it scales 1.0 (the upper bits fall off the end).
    bits = shifted.bits()
    exponent = builder.shl(bits, splat(bits.type, 52))
    return r, x.from_bits(builder.add(exponent, x.constant(1.0).bits()))


def exp(x: Lanes, fine: bool = False) -> Lanes:
    """e**x for LOW <= x <= 130 (clamp first). Relative error 1e-10, or 3e-16 when `fine`."""
    r, scale = _split(x)
    q = r.polynomial(c.EXPM1_OVER_R_FINE if fine else c.EXPM1_OVER_R)
    return (r * q).fma(scale, scale)


def expm1(x: Lanes) -> Lanes:
    """e**x - 1 for |x| < 700, without cancellation. Relative error 5e-10."""
    r, scale = _split(x)
    return (r * r.polynomial(c.EXPM1_OVER_R)).fma(scale, scale - 1.0)


def log(x: Lanes) -> Lanes:
    """The natural logarithm of x >= 0; relative error 1e-15. Other lanes: see `with_log_limits`."""
    builder = x.builder
    bits = x.bits()
    kind = bits.type
    # Take the exponent such that the mantissa lies between sqrt(1/2) and sqrt(2): then log(1) is exactly 0 and values
    # around it keep their relative accuracy.
    exponent = builder.ashr(builder.sub(bits, splat(kind, _SQRT_HALF_BITS)), splat(kind, 52))
    mantissa = x.from_bits(builder.sub(bits, builder.shl(exponent, splat(kind, 52))))
    n = x.from_bits(builder.add(exponent, splat(kind, ROUNDER_BITS))) - ROUNDER
    s = (mantissa - 1.0) / (mantissa + 1.0)
    twice = s + s
    return n.fma(LN2, twice * (s * s).polynomial(c.ATANH_OVER_S_NARROW))


def with_log_limits(x: Lanes, value: Lanes) -> Lanes:
    """`value` = log(x) with -inf at 0, inf at inf, NaN below 0 and for NaN."""
    infinity = float("inf")
    value = value.where(x.equals(0.0), -infinity)
    value = value.where(x.equals(infinity), infinity)
    value = value.where(x < 0.0, float("nan"))
    return value.where(x.is_nan(), x)


def log1p_of_fraction(t: Lanes) -> Lanes:
    """log(1 + t) for 0 <= t <= 1. Relative error 3e-12."""
    s = t / (t + 2.0)
    return (s + s) * (s * s).polynomial(c.ATANH_OVER_S_WIDE)


def tanh(x: Lanes) -> Lanes:
    """The hyperbolic tangent."""
    e = expm1((x + x).magnitude().at_most(60.0))
    return (e / (e + 2.0)).odd(x)


def logistic(x: Lanes) -> Lanes:
    """1 / (1 + e**-x)."""
    return 1.0 / (exp(-_clamped(x)) + 1.0)


def swish(x: Lanes, inner: Lanes) -> Lanes:
    """x / (1 + e**-inner), where inner has the sign of x and grows at least linearly with it; -0 at -inf."""
    return x.at_least(LOW) / (exp(-_clamped(inner)) + 1.0)


def swish_derivative(x: Lanes) -> Lanes:
    """d/dx of x / (1 + e**-x): s (1 + x (1 - s)), s the logistic function. The fine exp is for its root at -1.278."""
    x = _clamped(x)
    e = exp(-x, fine=True)
    s = 1.0 / (e + 1.0)
    return s * x.fma(e * s, 1.0)


def softplus(x: Lanes) -> Lanes:
    """log(1 + e**x), as max(x, 0) + log(1 + e**-|x|)."""
    t = exp((-x.magnitude()).at_least(LOW))
    return x.at_least(0.0) + log1p_of_fraction(t)


def mish(x: Lanes) -> Lanes:
    """x tanh(softplus(x)). With e = exp(x), tanh(log(1 + e)) = (e**2 + 2 e) / (e**2 + 2 e + 2)."""
    e = exp(x.at_least(LOW).at_most(60.0))
    numerator = e.fma(e, e + e)
    return x.at_least(LOW) * (numerator / (numerator + 2.0))


def erf(x: Lanes) -> Lanes:
    """The error function: x times a polynomial in x**2. Relative error 1e-11."""
    near = x.at_most(3.937).at_least(-3.937)
    return near * (near * near).polynomial(c.ERF_OVER_X)


def _tail(x: Lanes) -> tuple[Lanes, Lanes]:
    """(Phi(-|x|), exp(-x**2 / 2)), |x| <= 14.6, Phi the normal distribution. Relative error 1e-10, in the tail too."""
    z = x.magnitude() * SQRT_HALF
    bell = exp(x * x * -0.5, fine=True)
    t = 4.0 / (z + 4.0)
    return bell * (t * 0.5) * t.polynomial(c.ERFCX_OVER_T), bell


def gelu(x: Lanes) -> Lanes:
    """x Phi(x), from the complementary error function so that the left tail keeps its accuracy."""
    near = x.at_least(-14.6).at_most(14.6)
    tail, _ = _tail(near)
    phi = tail.where(near > 0.0, 1.0 - tail)
    return x.at_least(-14.6) * phi


def gelu_derivative(x: Lanes) -> Lanes:
    """Phi(x) + x phi(x), phi the normal density; by a Taylor-like polynomial around its root at -0.7518."""
    near = x.at_least(-14.6).at_most(14.6)
    tail, bell = _tail(near)
    phi = tail.where(near > 0.0, 1.0 - tail)
    value = (near * INVERSE_SQRT_2PI).fma(bell, phi)
    root, root_low = c.GELU_DX_ROOT
    distance = (near - root) - root_low
    return value.where(distance.magnitude() < 0.25, distance * distance.polynomial(c.GELU_DX_NEAR_ROOT))


def erf_derivative(x: Lanes) -> Lanes:
    """2 / sqrt(pi) e**(-x**2)."""
    return exp((x * -x).at_least(LOW)) * TWO_OVER_SQRT_PI


def sin(x: Lanes) -> Lanes:
    """The sine for |x| <= pi. Beyond, the cubic that the hardware goes on evaluating: the Taylor cubic about pi, and
    its odd image.

    nki.api.shared.rst: sin does no argument reduction, extrapolates a cubic and gives ~27.65 at 9.0. Which cubic is
    assumed.
    """
    size = x.magnitude()
    beyond = (size - PI) - PI_LOW
    # sin(size) = sin(pi - size); the nearer of 0 and pi keeps the argument of the polynomial below pi / 2.
    r = size.where(size > PI / 2, -beyond)
    value = r * (r * r).polynomial(c.SIN_OVER_R)
    cubic = (beyond * beyond * beyond) * (1.0 / 6.0) - beyond
    return value.where(size > PI, cubic).odd(x)


def arctan(x: Lanes) -> Lanes:
    """The inverse tangent, as pi / 2 - arctan(1 / |x|) for |x| > 1."""
    size = x.magnitude()
    steep = size > 1.0
    u = size.where(steep, 1.0 / size)
    p = u * (u * u).polynomial(c.ATAN_OVER_X)
    return p.where(steep, PI / 2 - p).odd(x)


def power(x: Lanes, y: Lanes) -> Lanes:
    """x**y with the special cases of C's pow."""
    builder = x.builder
    size = x.magnitude()
    magnitude = exp(_clamped(with_log_limits(size, log(size)) * y))
    one = builder.and_(size.equals(1.0), builder.not_(y.is_nan()))
    magnitude = magnitude.where(one, 1.0)
    whole = y.floor().equals(y)
    half = y * 0.5
    odd = builder.and_(whole, builder.not_(half.floor().equals(half)))
    result = magnitude.where(builder.and_(odd, x.is_negative()), -magnitude)
    undefined = builder.and_(builder.and_(x < 0.0, x > float("-inf")), builder.not_(whole))
    result = result.where(undefined, float("nan"))
    return result.where(builder.or_(x.equals(1.0), y.equals(0.0)), 1.0)


def _clamped(x: Lanes) -> Lanes:
    """x limited to what `exp` takes, on either side."""
    return x.at_least(LOW).at_most(-LOW)
