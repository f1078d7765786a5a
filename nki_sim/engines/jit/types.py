"""How each data type is read as fp32 vectors and written from them, as LLVM IR: bit for bit
program.dtypes.from_float32.

LLVM's `bfloat` and fp8 types are not used: the host's bf16 instructions flush denormals, and llvmlite has no such
types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from nki_sim.engines.jit.host import host
from nki_sim.engines.jit.loops import LANES
from nki_sim.program.dtypes import DType

BYTE, INT16, INT32, INT64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
BIT = ir.IntType(1)
FLOAT = ir.FloatType()
POINTER = ir.PointerType()
DOUBLE = ir.DoubleType()
DOUBLES = ir.VectorType(DOUBLE, LANES)
FLOATS = ir.VectorType(FLOAT, LANES)
INT32S = ir.VectorType(INT32, LANES)
MASK = ir.VectorType(BIT, LANES)

_ABSOLUTE = 0x7FFFFFFF
_INFINITY = 0x7F800000
_QUIET_NAN = 0x7FC00000


@dataclass(frozen=True, slots=True)
class Small:
    """A float format narrower than fp32: one sign bit, `mantissa` bits and an exponent with `bias`.

    largest    code of the largest finite value; what rounds above it becomes `overflow`
    nan        code of the quiet NaN
    infinite   whether the format has infinities
    """

    bits: int
    mantissa: int
    bias: int
    largest: int
    overflow: int
    nan: int
    infinite: bool


SMALL: dict[str, Small] = {
    "float16": Small(16, 10, 15, 0x7BFF, 0x7C00, 0x7E00, True),
    "float8_e4m3": Small(8, 3, 7, 0x77, 0x78, 0x7C, True),
    "float8_e4m3fn": Small(8, 3, 7, 0x7E, 0x7F, 0x7F, False),
    "float8_e5m2": Small(8, 2, 15, 0x7B, 0x7C, 0x7E, True),
}


def bits_of(dtype: DType) -> ir.IntType:
    """The integer type that holds the bits of one element."""
    return ir.IntType(8 * dtype.itemsize)


def intrinsic(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: Sequence[ir.Type]) -> ir.Function:
    """The LLVM intrinsic `name`, declared once per module."""
    module = builder.module
    found = module.globals.get(name)
    if found is None:
        found = ir.Function(module, ir.FunctionType(result, arguments), name)
    return found


def call_unary(builder: ir.IRBuilder, name: str, x: ir.Value) -> ir.Value:
    """``llvm.<name>`` on a <n x float> vector."""
    function = intrinsic(builder, f"llvm.{name}.v{x.type.count}f32", x.type, [x.type])
    return builder.call(function, [x])


def splat(builder: ir.IRBuilder, value: ir.Value, lanes: int = LANES) -> ir.Value:
    """A scalar in every lane."""
    vector = ir.VectorType(value.type, lanes)
    if isinstance(value, ir.Constant):
        return ir.Constant(vector, [value.constant] * lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, INT32(0))
    zeros = ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def lane_mask(count: int) -> ir.Constant:
    """<16 x i1>, true in the first `count` lanes."""
    return ir.Constant(MASK, [1] * count + [0] * (LANES - count))


def constant(vector: ir.Type, value: float) -> ir.Constant:
    """`value` in every lane of the vector type."""
    return ir.Constant(vector, [value] * vector.count)


def _like(value: ir.Value, element: ir.Type) -> ir.VectorType:
    return ir.VectorType(element, value.type.count)


def widen(builder: ir.IRBuilder, bits: ir.Value, dtype: DType) -> ir.Value:
    """<n x iN> elements of `dtype` as <n x float>."""
    floats = _like(bits, FLOAT)
    if dtype.class32:
        return builder.bitcast(bits, floats)
    if dtype.is_float:
        if dtype == "bfloat16":
            wide = builder.zext(bits, _like(bits, INT32))
            return builder.bitcast(builder.shl(wide, constant(wide.type, 16)), floats)
        return _widen_small(builder, bits, SMALL[str(dtype)])
    if dtype.kind == "int":
        return builder.sitofp(bits, floats)
    return builder.uitofp(bits, floats)


def _widen_small(builder: ir.IRBuilder, bits: ir.Value, small: Small) -> ir.Value:
    floats, words = _like(bits, FLOAT), _like(bits, INT32)
    if small.bits == 16 and host().half:
        return builder.fpext(builder.bitcast(bits, _like(bits, ir.HalfType())), floats)
    wide = builder.zext(bits, words)
    sign = builder.shl(builder.and_(wide, constant(words, 1 << (small.bits - 1))), constant(words, 32 - small.bits))
    body = builder.and_(wide, constant(words, (1 << (small.bits - 1)) - 1))
    shifted = builder.bitcast(builder.shl(body, constant(words, 23 - small.mantissa)), floats)
    # The exponent is off by a power of two; multiplying by it is exact and turns denormals into normal numbers.
    scaled = builder.bitcast(builder.fmul(shifted, constant(floats, 2.0 ** (127 - small.bias))), words)
    if small.infinite:
        special = builder.icmp_unsigned(">", body, constant(words, small.largest))
        scaled = builder.select(special, constant(words, _INFINITY), scaled)
        nan = builder.icmp_unsigned(">", body, constant(words, small.largest + 1))
    else:
        nan = builder.icmp_unsigned("==", body, constant(words, small.nan))
    # Every NaN becomes the quiet one, as in ml_dtypes; only its sign is kept.
    scaled = builder.select(nan, constant(words, _QUIET_NAN), scaled)
    return builder.bitcast(builder.or_(scaled, sign), floats)


def narrow(builder: ir.IRBuilder, values: ir.Value, dtype: DType) -> ir.Value:
    """<n x float> rounded to `dtype`, as <n x iN>."""
    if dtype == "float32":
        return builder.bitcast(values, _like(values, INT32))
    if dtype.is_float:
        if dtype == "bfloat16":
            return _narrow_bfloat16(builder, values)
        if dtype == "tfloat32":
            return _narrow_tfloat32(builder, values)
        if dtype == "float16" and host().half:
            halves = builder.fptrunc(values, _like(values, ir.HalfType()))
            return builder.bitcast(halves, _like(values, INT16))
        return _narrow_small(builder, values, SMALL[str(dtype)])
    if dtype.kind == "bool":
        return builder.zext(builder.fcmp_unordered("!=", values, constant(values.type, 0.0)), _like(values, BYTE))
    return _narrow_integer(builder, values, dtype)


def _is_nan(builder: ir.IRBuilder, values: ir.Value) -> ir.Value:
    return builder.fcmp_unordered("uno", values, values)


def _round_at(builder: ir.IRBuilder, bits: ir.Value, dropped: int) -> ir.Value:
    """Integer bits of a float with half an ulp (of `dropped` bits fewer) added, ties to even."""
    words = bits.type
    odd = builder.and_(builder.lshr(bits, constant(words, dropped)), constant(words, 1))
    return builder.add(builder.add(bits, constant(words, (1 << (dropped - 1)) - 1)), odd)


def _narrow_bfloat16(builder: ir.IRBuilder, values: ir.Value) -> ir.Value:
    words = _like(values, INT32)
    bits = builder.bitcast(values, words)
    rounded = builder.lshr(_round_at(builder, bits, 16), constant(words, 16))
    sign = builder.and_(builder.lshr(bits, constant(words, 16)), constant(words, 0x8000))
    quiet = builder.or_(sign, constant(words, 0x7FC0))
    return builder.trunc(builder.select(_is_nan(builder, values), quiet, rounded), _like(values, INT16))


def _narrow_tfloat32(builder: ir.IRBuilder, values: ir.Value) -> ir.Value:
    words = _like(values, INT32)
    bits = builder.bitcast(values, words)
    kept = constant(words, -0x2000)
    rounded = builder.and_(_round_at(builder, bits, 13), kept)
    exponent = builder.and_(bits, constant(words, _INFINITY))
    special = builder.icmp_unsigned("==", exponent, constant(words, _INFINITY))
    quiet = builder.select(_is_nan(builder, values), constant(words, 0x400000), constant(words, 0))
    return builder.select(special, builder.or_(builder.and_(bits, kept), quiet), rounded)


def _narrow_small(builder: ir.IRBuilder, values: ir.Value, small: Small) -> ir.Value:
    words = _like(values, INT32)
    bits = builder.bitcast(values, words)
    sign = builder.and_(builder.lshr(bits, constant(words, 32 - small.bits)), constant(words, 1 << (small.bits - 1)))
    size = builder.and_(bits, constant(words, _ABSOLUTE))
    dropped = 23 - small.mantissa
    code = builder.lshr(_round_at(builder, size, dropped), constant(words, dropped))
    code = builder.sub(code, constant(words, (127 - small.bias) << small.mantissa))
    # Adding a number whose last place is the format's smallest step rounds denormals to it.
    step_exponent = 1 - small.bias - small.mantissa
    magic = 2.0 ** (step_exponent + 23)
    magic_bits = (step_exponent + 23 + 127) << 23
    lifted = builder.fadd(builder.bitcast(size, values.type), constant(values.type, magic))
    tiny_code = builder.sub(builder.bitcast(lifted, words), constant(words, magic_bits))
    tiny = builder.icmp_unsigned("<", size, constant(words, (128 - small.bias) << 23))
    code = builder.select(tiny, tiny_code, code)
    large = builder.icmp_signed(">", code, constant(words, small.largest))
    code = builder.select(large, constant(words, small.overflow), code)
    code = builder.select(_is_nan(builder, values), constant(words, small.nan), code)
    return builder.trunc(builder.or_(code, sign), _like(values, ir.IntType(small.bits)))


def _narrow_integer(builder: ir.IRBuilder, values: ir.Value, dtype: DType) -> ir.Value:
    """Half to even, saturating; NaN becomes 0 (assumed, as in program.dtypes)."""
    floats = values.type
    width = 8 * dtype.itemsize
    signed = dtype.kind == "int"
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    whole = call_unary(builder, "rint", values)
    whole = builder.select(_is_nan(builder, values), constant(floats, 0.0), whole)
    bottom = constant(floats, float(low))
    whole = builder.select(builder.fcmp_ordered("<", whole, bottom), bottom, whole)
    if width < 32:
        top = builder.fcmp_ordered(">", whole, constant(floats, float(high)))
        whole = builder.select(top, constant(floats, float(high)), whole)
        return builder.trunc(builder.fptosi(whole, _like(values, INT32)), _like(values, ir.IntType(width)))
    words = _like(values, INT32)
    # fp32 cannot hold the largest integer: what is at or above 2^31 or 2^32 is replaced after the conversion.
    top = builder.fcmp_ordered(">=", whole, constant(floats, float(high + 1)))
    whole = builder.select(top, constant(floats, 0.0), whole)
    converted = builder.fptosi(whole, words) if signed else builder.fptoui(whole, words)
    return builder.select(top, constant(words, high if signed else -1), converted)
