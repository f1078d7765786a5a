"""nl functions that take several instructions: division, rounding, trigonometry, softmax, rms_norm, where, matmul, ...

The documents give results, not instruction sequences; the sequences here are nki_sim's own (assumed) and show up as
they are in programs and profiles.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nki_sim import isa as nisa
from nki_sim.frontend.recorder import current
from nki_sim.language import elementwise as ew
from nki_sim.language import reductions
from nki_sim.language.buffers import MemoryRegion
from nki_sim.language.failure import fail, named_dtype
from nki_sim.language.tensor import ndarray
from nki_sim.program.dtypes import float32, int32, uint8

# float32 values of this size and above have no fraction.
_NO_FRACTION = float(1 << 23)


def divide(x: Any, y: Any, dtype: Any = None) -> ndarray:
    """x / y, as x times the reciprocal of y (the ALUs have no division)."""
    if not ew.is_tile(y):
        _need_number("divide", y)
        return ew.binary("multiply", x, 1.0 / y if y else math.copysign(math.inf, y), dtype)
    inverse = ew.tile_like(y, float32)
    nisa.reciprocal(inverse, y)
    result = dtype if dtype is not None else ew.promote(x.dtype, y.dtype) if ew.is_tile(x) else y.dtype
    return ew.binary("multiply", x, inverse, result)


def _need_number(name: str, value: Any) -> None:
    if not isinstance(value, (int, float)):
        fail("language-operand", f"nl.{name}: {value!r} is neither a tile nor a number")


def negative(x: ndarray, dtype: Any = None) -> ndarray:
    """-x."""
    return ew.binary("multiply", x, -1 if not x.dtype.is_float else -1.0, dtype or x.dtype)


def logical_not(x: ndarray, dtype: Any = None) -> ndarray:
    """1 where x is 0, else 0."""
    return ew.binary("equal", x, 0.0, dtype or x.dtype)


def _rounded(x: ndarray, comparison: str | None, shift: str, dtype: Any) -> ndarray:
    """x rounded to an integer: to nearest, then moved by one where `comparison` (nearest, x) says so."""
    nearest_int = ew.tile_like(x, int32)
    nisa.tensor_copy(nearest_int, x)
    result = ew.copy(nearest_int, float32)
    wide = ew.copy(x, float32)
    if comparison is not None:
        beyond = ew.binary(comparison, result, wide, float32)
        result = ew.binary(shift, result, beyond, float32)
    has_fraction = ew.binary("less", ew.abs(wide, float32), _NO_FRACTION, uint8)
    nisa.tensor_copy_predicated(dst=wide, src=result, predicate=has_fraction)
    return ew.copy(wide, dtype or x.dtype)


def floor(x: ndarray, dtype: Any = None) -> ndarray:
    """The largest integer that is at most x."""
    return _rounded(x, "greater", "subtract", dtype)


def ceil(x: ndarray, dtype: Any = None) -> ndarray:
    """The smallest integer that is at least x."""
    return _rounded(x, "less", "add", dtype)


def trunc(x: ndarray, dtype: Any = None) -> ndarray:
    """x without its fraction."""
    magnitude = floor(ew.abs(x, float32))
    return ew.binary("multiply", magnitude, ew.sign(x, float32), dtype or x.dtype)


def mod(x: Any, y: Any, dtype: Any = None) -> ndarray:
    """The remainder of x / y with the sign of y. Exact while |x / y| < 2^23 and x and y are exact in float32."""
    rest = _remainder(x, y)
    opposite = ew.binary("less", ew.binary("multiply", rest, y, float32), 0.0, float32)
    turned = ew.binary("multiply", opposite, y, float32)
    return ew.binary("add", rest, turned, dtype or (x.dtype if ew.is_tile(x) else y.dtype))


def fmod(x: Any, y: Any, dtype: Any = None) -> ndarray:
    """The remainder of x / y with the sign of x. Exact while |x / y| < 2^23 and x and y are exact in float32."""
    return _remainder(x, y, dtype or (x.dtype if ew.is_tile(x) else y.dtype))


def _remainder(x: Any, y: Any, dtype: Any = float32) -> ndarray:
    """|x| - |y| * floor(|x| / |y|), with the sign of x.

    The quotient comes from a reciprocal and can be one off near whole numbers, so the rest is brought into [0, |y|).
    """
    ew._check("fmod", x, y)
    size, divisor = _magnitude(x), _magnitude(y)
    quotient = floor(divide(size, divisor, float32))
    rest = ew.binary("subtract", size, ew.binary("multiply", quotient, divisor, float32), float32)
    below = ew.binary("less", rest, 0.0, float32)
    rest = ew.binary("add", rest, ew.binary("multiply", below, divisor, float32), float32)
    above = ew.binary("greater_equal", rest, divisor, float32)
    rest = ew.binary("subtract", rest, ew.binary("multiply", above, divisor, float32), float32)
    if ew.is_tile(x):
        return ew.binary("multiply", rest, ew.sign(x, float32), dtype)
    return ew.binary("multiply", rest, math.copysign(1.0, x), dtype)


def _magnitude(value: Any) -> Any:
    return ew.abs(value, float32) if ew.is_tile(value) else abs(float(value))


@ew.names_operator("sin")
def sin(x: ndarray, dtype: Any = None) -> ndarray:
    """Sine; the argument is first brought into [-pi, pi], where the Scalar engine's function is valid."""
    return ew.activation("sin", _reduced(x, 0.0), dtype or x.dtype)


def cos(x: ndarray, dtype: Any = None) -> ndarray:
    """Cosine, as the sine a quarter turn on."""
    return ew.activation("sin", _reduced(x, math.pi / 2), dtype or x.dtype)


def tan(x: ndarray, dtype: Any = None) -> ndarray:
    """Tangent, as sine over cosine."""
    return divide(sin(x, float32), cos(x, float32), dtype or x.dtype)


def _reduced(x: ndarray, shift: float) -> ndarray:
    """x + shift minus the nearest multiple of 2 pi, in [-pi, pi]."""
    turns = ew.tile_like(x, float32)
    nisa.tensor_scalar(turns, x, op0=ew.add, operand0=shift, op1=ew.multiply, operand1=1.0 / (2.0 * math.pi))
    whole = ew.copy(ew.copy(turns, int32), float32)
    # 2 pi in two parts, so that the product with a small integer keeps its last bits.
    high = 6.28125
    low = 2.0 * math.pi - high
    shifted = ew.binary("add", x, shift, float32)
    part = ew.binary("subtract", shifted, ew.binary("multiply", whole, high, float32), float32)
    return ew.binary("subtract", part, ew.binary("multiply", whole, low, float32), float32)


@ew.names_operator("arctan")
def arctan(x: ndarray, dtype: Any = None) -> ndarray:
    """Inverse tangent; beyond 1 as pi/2 minus that of the reciprocal, so that the argument stays in the valid range."""
    magnitude = ew.abs(x, float32)
    large = ew.binary("greater", magnitude, 1.0, uint8)
    argument = ew.copy(magnitude, float32)
    nisa.tensor_copy_predicated(dst=argument, src=ew.reciprocal(magnitude), predicate=large)
    angle = ew.activation("arctan", argument, float32)
    other = ew.tile_like(x, float32)
    nisa.tensor_scalar(other, angle, op0=ew.subtract, operand0=math.pi / 2, reverse0=True)
    nisa.tensor_copy_predicated(dst=angle, src=other, predicate=large)
    return ew.binary("multiply", angle, ew.sign(x, float32), dtype or x.dtype)


def softmax(x: ndarray, axis: Any = -1, dtype: Any = None) -> ndarray:
    """exp(x - max) / sum of the same, over the trailing free dimensions `axis`."""
    axes = reductions.trailing_axes("softmax", x, axis)
    negative_max = reductions.reduce_tile("maximum", x, axes, float32, keepdims=True, negate=True)
    shifted = ew.tile_like(x, float32)
    if len(axes) == x.ndim - 1:
        total = ndarray((x.shape[0], 1), float32)
        column = negative_max.reshape((x.shape[0], 1))
        nisa.activation_reduce(dst=shifted, op=ew.exp, data=x, bias=column, reduce_op=ew.add, reduce_res=total)
        inverse = ew.reciprocal(total)
        out = ew.tile_like(x, dtype)
        nisa.tensor_scalar(out, shifted, op0=ew.multiply, operand0=inverse)
        return out
    nisa.tensor_tensor(shifted, x, spread(negative_max, x.shape), op=ew.add)
    exponentials = ew.activation("exp", shifted, float32)
    total = reductions.reduce_tile("add", exponentials, axes, float32, keepdims=True)
    out = ew.tile_like(x, dtype)
    nisa.tensor_tensor(out, exponentials, spread(ew.reciprocal(total), x.shape), op=ew.multiply)
    return out


def rms_norm(
    x: ndarray, w: ndarray, axis: Any, n: int, epsilon: float = 1e-6, dtype: Any = None, compute_dtype: Any = None
) -> ndarray:
    """x / sqrt(mean of x^2 + epsilon) * w, the mean over `axis` taken as the sum divided by n."""
    axes = reductions.trailing_axes("rms_norm", x, axis)
    working = compute_dtype or float32
    squares = ew.square(x, working)
    total = reductions.reduce_tile("add", squares, axes, float32, keepdims=True)
    inverse = ew.tile_like(total, float32)
    nisa.tensor_scalar(inverse, total, op0=ew.multiply, operand0=1.0 / n, op1=ew.add, operand1=float(epsilon))
    inverse = ew.rsqrt(inverse)
    scaled = ew.tile_like(x, working)
    if len(axes) == x.ndim - 1:
        nisa.tensor_scalar(scaled, x, op0=ew.multiply, operand0=inverse.reshape((x.shape[0], 1)))
    else:
        nisa.tensor_tensor(scaled, x, spread(inverse, x.shape), op=ew.multiply)
    weight = w if tuple(w.shape) == tuple(x.shape) else broadcast_to(w, x.shape)
    out = ew.tile_like(x, dtype)
    nisa.tensor_tensor(out, scaled, weight, op=ew.multiply)
    return out


def spread(x: ndarray, shape: tuple[int, ...]) -> ndarray:
    """A view of `x` with its free dimensions of size 1 repeated to `shape`."""
    for dim in range(1, len(shape)):
        if x.shape[dim] != shape[dim]:
            x = x.broadcast(dim, shape[dim])
    return x


def where(condition: ndarray, x: Any, y: Any, dtype: Any = None) -> ndarray:
    """x where condition is not 0, else y."""
    ew._check("where", condition)
    source = x if ew.is_tile(x) else y if ew.is_tile(y) else None
    out = ew.tile_like(condition, dtype or (source.dtype if source is not None else condition.dtype))
    predicate = condition if condition.dtype.kind == "uint" else ew.binary("not_equal", condition, 0.0, uint8)
    if ew.is_tile(y):
        nisa.tensor_copy(out, y)
    else:
        nisa.memset(out, y)
    chosen = x
    if ew.is_tile(x) and x.dtype != out.dtype:
        chosen = ew.copy(x, out.dtype)
    nisa.tensor_copy_predicated(dst=out, src=chosen, predicate=predicate)
    return out


def expand_dims(x: ndarray, axis: int) -> ndarray:
    """A view of x with a dimension of size 1 at `axis`."""
    return x.expand_dim(axis if axis >= 0 else axis + x.ndim + 1)


def broadcast_to(x: ndarray, shape: Any, dtype: Any = None) -> ndarray:
    """A tile of `shape` that repeats the dimensions of x that have size 1; the partition dimension too."""
    sizes = tuple(shape)
    if len(sizes) != x.ndim or any(a not in (1, b) for a, b in zip(x.shape, sizes, strict=False)):
        fail(
            "shape",
            f"nl.broadcast_to: {list(x.shape)} does not broadcast to {list(sizes)}",
            facts=("dimensions of size 1 are repeated, all others stay",),
        )
    if tuple(x.shape) == sizes and (dtype is None or x.dtype == dtype):
        return x
    wide = ndarray((x.shape[0], *sizes[1:]), dtype or x.dtype)
    nisa.tensor_copy(wide, spread(x, (x.shape[0], *sizes[1:])))
    if x.shape[0] == sizes[0]:
        return wide
    out = ndarray(sizes, wide.dtype)
    quadrant = 32
    for start in range(0, sizes[0], quadrant):
        stop = min(start + quadrant, sizes[0])
        nisa.nc_stream_shuffle(dst=out[start:stop], src=wide[0:1], shuffle_mask=[0] * quadrant)
    return out


def transpose(x: ndarray, dtype: Any = None) -> ndarray:
    """The 2-D transpose of x in a new PSUM tile, by the Tensor engine; an SBUF tile when `dtype` differs from x's."""
    if x.ndim != 2:
        fail(
            "shape",
            f"nl.transpose: x is {list(x.shape)}; it must have two dimensions",
            fix=f"transpose x.reshape(({x.shape[0]}, {x.size // x.shape[0]}))",
        )
    out = ndarray((x.shape[1], x.shape[0]), x.dtype, MemoryRegion.psum)
    nisa.nc_transpose(out, x, engine=nisa.engine.tensor)
    return out if dtype is None or dtype == x.dtype else ew.copy(out, dtype)


def matmul(x: ndarray, y: ndarray, transpose_x: bool = False) -> ndarray:
    """x @ y (or x.T @ y when `transpose_x`) in a new float32 PSUM tile; x [M, K] or [K, M], y [K, N], all in SBUF."""
    stationary = x
    if not transpose_x:
        stationary = ew.copy(transpose(x))
    if stationary.shape[0] != y.shape[0]:
        fail(
            "shape",
            f"nl.matmul: x is {list(x.shape)} and y is {list(y.shape)}; x gives K={stationary.shape[0]}, y has "
            f"K={y.shape[0]}",
            facts=("x is [M, K], or [K, M] with transpose_x=True, and y is [K, N]",),
        )
    out = ndarray((stationary.size // stationary.shape[0], y.size // y.shape[0]), float32, MemoryRegion.psum)
    nisa.nc_matmul(out, stationary, y)
    return out


def shared_constant(constant: Any) -> ndarray:
    """An HBM tensor filled with a NumPy array (or the array in a .npy file) before the kernel starts."""
    values = np.load(constant) if isinstance(constant, str) else np.asarray(constant)
    dtype = named_dtype("nl.shared_constant: constant", values.dtype)
    return ndarray.view_of(current().constant(values, dtype, "shared_constant").whole())


def shared_identity_matrix(n: int, dtype: Any = uint8, dst: ndarray | None = None) -> ndarray:
    """An n x n identity matrix in SBUF, loaded once per kernel and dtype; into `dst` when given."""
    from nki_sim.program.dtypes import dtype_of, from_float32

    element = dtype_of(dtype)
    recorder = current()

    def load() -> ndarray:
        values = from_float32(np.eye(n, dtype=np.float32), element)
        source = ndarray.view_of(recorder.constant(values, element, f"identity{n}").whole())
        tile = ndarray((n, n), element, name=f"identity{n}") if dst is None else dst
        nisa.dma_copy(tile, source)
        return tile

    if dst is not None or recorder.loop_depth:
        return load()
    found = recorder.once((n, element), load)
    assert isinstance(found, ndarray)
    return found
