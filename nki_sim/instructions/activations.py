"""The activation functions of the Scalar Engine, in NumPy, and the input ranges for which they are valid.

Names and ranges: nki.api.shared.rst, "Supported Activation Functions". The documents give names, not formulas; each
function here is the one its name stands for in the literature, cited where more than one is in use. Evaluated in
float64 and rounded once to float32. At an infinity a function has its limit. Outside the valid range the hardware
gives "invalid output": the exact function is evaluated all the same, except for sin, whose extrapolation is documented.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_SQRT_HALF = math.sqrt(0.5)
# 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) and x sigmoid(1.702 x): the approximations of Hendrycks and Gimpel,
# "Gaussian Error Linear Units"; nki-library's own references (moe_tkg_torch.py) use both constants.
_GELU_TANH_SCALE = math.sqrt(2.0 / math.pi)
_GELU_TANH_CUBIC = 0.044715
_GELU_SIGMOID_SCALE = 1.702

_erf_elementwise = np.frompyfunc(math.erf, 1, 1)
_erfc_elementwise = np.frompyfunc(math.erfc, 1, 1)


def _erf(x: Float64) -> Float64:
    return np.asarray(_erf_elementwise(x), np.float64)


def _normal_distribution(x: Float64) -> Float64:
    # erfc, not 1 + erf: keeps all digits of the left tail.
    return 0.5 * np.asarray(_erfc_elementwise(-x * _SQRT_HALF), np.float64)


def _normal_density(x: Float64) -> Float64:
    return np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _sigmoid(x: Float64) -> Float64:
    # Both branches avoid 1 - something near 1; the unused one may overflow harmlessly.
    return np.where(x >= 0, 1.0 / (1.0 + np.exp(-x)), np.exp(x) / (1.0 + np.exp(x)))


def _times(x: Float64, factor: Float64) -> Float64:
    """x * factor, where a factor that has vanished wins over an infinite x: the limit of x exp(-|x|)."""
    return np.where(factor == 0.0, np.copysign(0.0, x), x * factor)


def _gelu_dx(x: Float64) -> Float64:
    return _normal_distribution(x) + _times(x, _normal_density(x))


def _gelu_apprx_tanh(x: Float64) -> Float64:
    # 0.5 (1 + tanh(u)) is sigmoid(2 u), without the cancellation.
    return _times(x, _sigmoid(2.0 * _GELU_TANH_SCALE * (x + _GELU_TANH_CUBIC * x * x * x)))


def _swish(x: Float64, scale: float) -> Float64:
    return _times(x, _sigmoid(scale * x))


def _swish_dx(x: Float64, scale: float) -> Float64:
    s = _sigmoid(scale * x)
    return s + _times(scale * x, s * _sigmoid(-scale * x))


def _softplus(x: Float64) -> Float64:
    return np.logaddexp(0.0, x)


def _erf_dx(x: Float64) -> Float64:
    return (2.0 / math.sqrt(math.pi)) * np.exp(-x * x)


def _sin(x: Float64) -> Float64:
    """The sine within [-pi, pi]; beyond, the cubic that the hardware goes on evaluating.

    nki.api.shared.rst says that sin "extrapolates a cubic" and gives ~27.65 at 9.0. The Taylor cubic about pi,
    -(x - pi) + (x - pi)**3 / 6, has 27.653 there; taking that one, and its odd image below -pi, is assumed.
    """
    beyond = np.abs(x) - math.pi
    cubic = np.copysign(1.0, x) * (beyond * beyond * beyond / 6.0 - beyond)
    return np.where(np.abs(x) <= math.pi, np.sin(x), cubic)


FUNCTIONS: MappingProxyType[str, Callable[[Float64], Float64]] = MappingProxyType(
    {
        "copy": lambda x: x,
        "square": lambda x: x * x,
        "sigmoid": _sigmoid,
        "relu": lambda x: np.where(x <= 0.0, 0.0, x),
        "gelu": lambda x: _times(x, _normal_distribution(x)),
        "gelu_dx": _gelu_dx,
        "gelu_apprx_tanh": _gelu_apprx_tanh,
        "gelu_apprx_sigmoid": lambda x: _swish(x, _GELU_SIGMOID_SCALE),
        "gelu_apprx_sigmoid_dx": lambda x: _swish_dx(x, _GELU_SIGMOID_SCALE),
        "silu": lambda x: _swish(x, 1.0),
        "silu_dx": lambda x: _swish_dx(x, 1.0),
        "tanh": np.tanh,
        "softplus": _softplus,
        # Misra, "Mish: A Self Regularized Non-Monotonic Activation Function".
        "mish": lambda x: _times(x, np.tanh(_softplus(x))),
        "erf": _erf,
        "erf_dx": _erf_dx,
        "exp": np.exp,
        "log": np.log,
        "sin": _sin,
        "arctan": np.arctan,
        "sqrt": np.sqrt,
        "rsqrt": lambda x: 1.0 / np.sqrt(x),
        "reciprocal": lambda x: 1.0 / x,
        "sign": np.sign,
        "abs": np.abs,
    }
)
"""float64 to float64. prelu is missing on purpose: its slope is an argument of activate2, which activation has not."""

EXACT: frozenset[str] = frozenset({"copy", "square", "relu", "sqrt", "reciprocal", "sign", "abs"})
"""Functions that float32 arithmetic rounds correctly, so that every engine must agree bit for bit."""

_EVERYWHERE = (-math.inf, math.inf)
VALID_INPUT: MappingProxyType[str, tuple[float, float]] = MappingProxyType(
    {
        **dict.fromkeys(FUNCTIONS, _EVERYWHERE),
        "log": (2.0**-64, 2.0**64),
        "sin": (-math.pi, math.pi),
        "arctan": (-math.pi / 2, math.pi / 2),
        "sqrt": (2.0**-116, 2.0**118),
        "rsqrt": (2.0**-87, 2.0**97),
    }
)
"""Closed interval of inputs for which the Scalar Engine's approximation is good."""

RECIPROCAL_MAGNITUDE: tuple[float, float] = (2.0**-42, 2.0**42)
"""For reciprocal the interval holds for the magnitude of the input."""


def activate(name: str, x: Float32) -> Float32:
    """Activation function `name` of float32 `x`, rounded once. Raises KeyError for a name without a meaning here."""
    return FUNCTIONS[name](x.astype(np.float64)).astype(np.float32)


def outside_valid_input(name: str, x: Float32) -> npt.NDArray[np.bool_]:
    """Where `x` lies outside the documented input range of activation function `name`; NaN is nowhere outside."""
    if name == "reciprocal":
        magnitude = np.abs(x)
        return (magnitude < RECIPROCAL_MAGNITUDE[0]) | (magnitude > RECIPROCAL_MAGNITUDE[1])
    low, high = VALID_INPUT[name]
    return (x < low) | (x > high)
