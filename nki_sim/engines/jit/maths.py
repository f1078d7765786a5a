"""The functions activation engines apply, as LLVM vector code: float lanes in, float lanes out.

LLVM turns `llvm.exp` and its kin on vectors into one scalar library call per lane, so these are built from
arithmetic. Transcendental functions run in double inside (vector_maths_double.py), exp alone in float32
(vector_maths_float.py); square roots, quotients, squares
and the piecewise functions are single IEEE operations on floats.

`ULP` states the largest error of each function against the correctly rounded float32 result, in units in the last
place of that result, over all inputs including subnormals, zeros, infinities and NaN. 0.0 means always correctly
rounded. 1.0 means correctly rounded on nearly all inputs and the neighbouring float on a few, because the evaluation in
double stops at about 1e-10; exp, in float32, is off more often.

How it was measured: exp, tanh, log and sigmoid on all 2**32 inputs against float64 NumPy (off by one unit: 11,039,500,
181,490, none and 29,262 inputs); the others on half a million random bit patterns, normal and uniform numbers, and 800
floats around every switch-over point (at most 0.13 % of them off by one unit, gelu; below 0.02 % for all others). The
tests repeat the second kind, `python -m benchmarks.all_floats NAME` the first.

Outside the input range the documents give for log, sqrt, rsqrt, reciprocal, sin and arctan (nki.api.shared.rst) the
hardware's result is unspecified; here it is the mathematical function, except for sin, whose extrapolation is
documented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llvmlite import ir

from nki_sim.engines.jit import vector_maths_double as double
from nki_sim.engines.jit import vector_maths_float as single
from nki_sim.engines.jit.vector_maths_values import Lanes

Unary = Callable[[Lanes], Lanes]

# gelu(x) is close to x * logistic(1.702 x), and to x * logistic(2 sqrt(2 / pi) (x + 0.044715 x**3)).
GELU_SIGMOID_FACTOR = 1.702
GELU_TANH_FACTOR = 1.5957691216057308
GELU_TANH_CUBE = 0.044715


def _in_double(function: Unary) -> Unary:
    def apply(x: Lanes) -> Lanes:
        return function(x.widened()).narrowed()

    return apply


def _log(x: Lanes) -> Lanes:
    wide = x.widened()
    return double.with_log_limits(wide, double.log(wide)).narrowed()


def _gelu_apprx_tanh(x: Lanes) -> Lanes:
    return double.swish(x, x * (x * x).fma(GELU_TANH_CUBE, 1.0) * GELU_TANH_FACTOR)


def _relu(x: Lanes) -> Lanes:
    return x.where(x <= 0.0, 0.0)


def _sign(x: Lanes) -> Lanes:
    return x.where(x > 0.0, 1.0).where(x < 0.0, -1.0).where(x.equals(0.0), 0.0)


UNARY: Mapping[str, Unary] = {
    "copy": lambda x: x,
    "square": lambda x: x * x,
    "abs": lambda x: x.magnitude(),
    "sign": _sign,
    "relu": _relu,
    "sqrt": lambda x: x.sqrt(),
    "reciprocal": lambda x: 1.0 / x,
    "rsqrt": _in_double(lambda x: 1.0 / x.sqrt()),
    "exp": single.exp,
    "log": _log,
    "tanh": _in_double(double.tanh),
    "sigmoid": _in_double(double.logistic),
    "silu": _in_double(lambda x: double.swish(x, x)),
    "silu_dx": _in_double(double.swish_derivative),
    "gelu": _in_double(double.gelu),
    "gelu_dx": _in_double(double.gelu_derivative),
    "gelu_apprx_tanh": _in_double(_gelu_apprx_tanh),
    "gelu_apprx_sigmoid": _in_double(lambda x: double.swish(x, x * GELU_SIGMOID_FACTOR)),
    "gelu_apprx_sigmoid_dx": _in_double(lambda x: double.swish_derivative(x * GELU_SIGMOID_FACTOR)),
    "softplus": _in_double(double.softplus),
    "mish": _in_double(double.mish),
    "erf": _in_double(double.erf),
    "erf_dx": _in_double(double.erf_derivative),
    "sin": _in_double(double.sin),
    "arctan": _in_double(double.arctan),
}

_SINGLE_OPERATIONS = ("copy", "square", "abs", "sign", "relu", "sqrt", "reciprocal")

ULP: Mapping[str, float] = {
    **{name: 0.0 if name in _SINGLE_OPERATIONS else 1.0 for name in UNARY},
    "power": 1.0,
}


def unary(builder: ir.IRBuilder, name: str, value: ir.Value) -> ir.Value:
    """The function `name` of every lane of `value`, a float or a vector of them. KeyError if there is none."""
    return UNARY[name](Lanes(builder, value)).value


def power(builder: ir.IRBuilder, base: ir.Value, exponent: ir.Value) -> ir.Value:
    """base ** exponent, lane by lane, with the special cases of C's pow."""
    return double.power(Lanes(builder, base).widened(), Lanes(builder, exponent).widened()).narrowed().value
