"""Element-wise functions of nl: each a function on tiles, and an operator name for `nisa` calls (``op=nl.add``).

As functions they return a new SBUF tile: two tiles of equal shape go to nisa.tensor_tensor, a tile and a number to
nisa.tensor_scalar, functions of one tile to nisa.activation or nisa.tensor_scalar. They do not broadcast tiles: the
documents give none for the device. Result type: `dtype`, else the tiles' own, else the promotion of beta 1
(nki.language documents, type promotion).

Non-goals: a tile is never computed while the kernel is built; these only record instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from nki_sim import isa as nisa
from nki_sim.language.buffers import MemoryRegion
from nki_sim.language.failure import fail
from nki_sim.language.tensor import ndarray
from nki_sim.program.dtypes import ALL, DType, bfloat16, float32, int16, int32


class Operator(Protocol):
    """A function of nl that also names an ALU operator or an activation function."""

    operator_name: str
    __name__: str

    def __call__(self, *args: Any, **kwargs: Any) -> ndarray: ...


def names_operator(name: str) -> Callable[[Callable[..., Any]], Operator]:
    """Mark a function as the operator `name` of the instruction set."""

    def mark(function: Callable[..., Any]) -> Operator:
        function.operator_name = name  # type: ignore[attr-defined]
        return cast(Operator, function)

    return mark


def operator_only(name: str, where: str) -> Operator:
    """An operator that exists as `op=` only."""

    def refuse(*_: Any, **__: Any) -> Any:
        fail("language-operator", f"nl.{name} is an operator name, not a function", fix=f"pass op=nl.{name} to {where}")

    refuse.__name__ = name
    refuse.__doc__ = f"The operator {name}, for `op=` of {where}."
    return names_operator(name)(refuse)


def promote(first: DType, second: DType) -> DType:
    """The result type of two tiles without `dtype=`."""
    if first is second:
        return first
    pair = {str(first), str(second)}
    for names, result in _PROMOTIONS:
        if pair == names:
            return result
    if first.is_float != second.is_float:
        return first if first.is_float else second
    return max(first, second, key=lambda d: (d.itemsize, ALL.index(d)))


_PROMOTIONS: tuple[tuple[set[str], DType], ...] = (
    ({"float16", "bfloat16"}, float32),
    ({"float8_e4m3", "float8_e5m2"}, bfloat16),
    ({"int8", "uint8"}, int16),
    ({"int16", "uint16"}, int32),
    ({"int32", "uint32"}, float32),
)


def tile_like(x: ndarray, dtype: Any = None) -> ndarray:
    """A new SBUF tile with the shape of `x`."""
    return ndarray(x.shape, x.dtype if dtype is None else dtype, MemoryRegion.sbuf)


def is_tile(value: object) -> bool:
    return isinstance(value, ndarray)


def _check(name: str, *values: Any) -> None:
    if not any(is_tile(v) for v in values):
        fail(
            "language-operand",
            f"nl.{name}: at least one argument must be a tile",
            fix="compute numbers with Python's own operators",
        )
    for value in values:
        if not is_tile(value) and not isinstance(value, (int, float)):
            fail(
                "language-operand",
                f"nl.{name}: {value!r} is neither a tile nor a number",
                fix="pass a tile or a number",
            )


def binary(name: str, x: Any, y: Any, dtype: Any = None) -> ndarray:
    """A new tile with ``x name y``."""
    _check(name, x, y)
    operator = _Named(name)
    if is_tile(x) and is_tile(y):
        if tuple(x.shape) != tuple(y.shape):
            fail(
                "shape",
                f"nl.{name}: the tiles are {list(x.shape)} and {list(y.shape)}; they must be of equal shape",
                facts=("nl functions do not broadcast on the device",),
                fix="use nl.broadcast_to, a .broadcast view, or nisa.tensor_scalar for a [P, 1] operand",
            )
        out = tile_like(x, dtype if dtype is not None else promote(x.dtype, y.dtype))
        nisa.tensor_tensor(out, x, y, op=operator)
        return out
    tile, number, swapped = (x, y, False) if is_tile(x) else (y, x, True)
    default = float32 if isinstance(number, float) and not tile.dtype.is_float else tile.dtype
    out = tile_like(tile, default if dtype is None else dtype)
    nisa.tensor_scalar(out, tile, op0=operator, operand0=number, reverse0=swapped)
    return out


def activation(name: str, x: Any, dtype: Any = None) -> ndarray:
    """A new tile with the Scalar engine's function `name` of `x`."""
    _check(name, x)
    out = tile_like(x, dtype)
    nisa.activation(dst=out, op=_Named(name), data=x)
    return out


class _Named:
    """An operator known by name, as the recorder reads it."""

    __slots__ = ("operator_name",)

    def __init__(self, name: str) -> None:
        self.operator_name = name


def _binary(name: str, text: str) -> Operator:
    def function(x: Any, y: Any, dtype: Any = None) -> ndarray:
        return binary(name, x, y, dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{text}, element by element; x and y are tiles of equal shape, or one of them a number. Also an operator name."
    )
    return names_operator(name)(function)


def _activation(name: str, text: str) -> Operator:
    def function(x: Any, dtype: Any = None) -> ndarray:
        return activation(name, x, dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{text}, element by element, on the Scalar engine. Also an operator name for nisa.activation."
    return names_operator(name)(function)


add = _binary("add", "x + y")
subtract = _binary("subtract", "x - y")
multiply = _binary("multiply", "x * y")
maximum = _binary("maximum", "The larger of x and y")
minimum = _binary("minimum", "The smaller of x and y")
abs_max = _binary("abs_max", "The larger of |x| and |y|")
abs_min = _binary("abs_min", "The smaller of |x| and |y|")
power = _binary("power", "x to the power y")
equal = _binary("equal", "1 where x == y, else 0")
not_equal = _binary("not_equal", "1 where x != y, else 0")
less = _binary("less", "1 where x < y, else 0")
less_equal = _binary("less_equal", "1 where x <= y, else 0")
greater = _binary("greater", "1 where x > y, else 0")
greater_equal = _binary("greater_equal", "1 where x >= y, else 0")
logical_and = _binary("logical_and", "1 where both are not 0, else 0")
logical_or = _binary("logical_or", "1 where one is not 0, else 0")
logical_xor = _binary("logical_xor", "1 where exactly one is not 0, else 0")
bitwise_and = _binary("bitwise_and", "x & y on integer bits")
bitwise_or = _binary("bitwise_or", "x | y on integer bits")
bitwise_xor = _binary("bitwise_xor", "x ^ y on integer bits")
left_shift = _binary("left_shift", "x << y on integer bits")
right_shift = _binary("right_shift", "x >> y on integer bits, zeros shifted in")

exp = _activation("exp", "e to the power x")
log = _activation("log", "Natural logarithm; valid for x in [2^-64, 2^64]")
sqrt = _activation("sqrt", "Square root; valid for x in [2^-116, 2^118]")
rsqrt = _activation("rsqrt", "1 / sqrt(x); valid for x in [2^-87, 2^97]")
tanh = _activation("tanh", "Hyperbolic tangent")
sigmoid = _activation("sigmoid", "1 / (1 + exp(-x))")
relu = _activation("relu", "The larger of x and 0")
gelu = _activation("gelu", "x times the normal distribution function of x")
gelu_dx = _activation("gelu_dx", "Derivative of gelu")
gelu_apprx_tanh = _activation("gelu_apprx_tanh", "gelu by its tanh approximation")
gelu_apprx_sigmoid = _activation("gelu_apprx_sigmoid", "gelu by its sigmoid approximation")
gelu_apprx_sigmoid_dx = _activation("gelu_apprx_sigmoid_dx", "Derivative of gelu_apprx_sigmoid")
silu = _activation("silu", "x * sigmoid(x)")
silu_dx = _activation("silu_dx", "Derivative of silu")
softplus = _activation("softplus", "log(1 + exp(x))")
mish = _activation("mish", "x * tanh(softplus(x))")
erf = _activation("erf", "Error function")
erf_dx = _activation("erf_dx", "Derivative of erf")
abs = _activation("abs", "|x|")  # noqa: A001 - the name is NKI's
square = _activation("square", "x * x")
sign = _activation("sign", "-1, 0 or 1")

prelu = operator_only("prelu", "nisa.activation")
average = operator_only("average", "nisa.tensor_partition_reduce")
bypass = operator_only("bypass", "nisa.activate2")


@names_operator("copy")
def copy(x: ndarray, dtype: Any = None) -> ndarray:
    """A new SBUF tile with the values of x. Also an operator name (identity) for nisa.activation."""
    _check("copy", x)
    out = tile_like(x, dtype)
    nisa.tensor_copy(out, x)
    return out


@names_operator("reciprocal")
def reciprocal(x: ndarray, dtype: Any = None) -> ndarray:
    """1 / x on the Vector engine. Also an operator name."""
    _check("reciprocal", x)
    out = tile_like(x, dtype)
    nisa.reciprocal(out, x)
    return out


@names_operator("invert")
def invert(x: ndarray, dtype: Any = None) -> ndarray:
    """~x on integer bits. Also an operator name."""
    _check("invert", x)
    out = tile_like(x, dtype)
    nisa.tensor_scalar(out, x, op0=_Named("invert"), operand0=None)
    return out
