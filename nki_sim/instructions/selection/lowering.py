"""Compiled form of iota, affine_select and tensor_copy_predicated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from nki_sim.engines.jit import operators, types
from nki_sim.engines.jit.context import Affine, Context, Cursor
from nki_sim.engines.jit.loops import LANES
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.types import FLOATS, INT32S, bits_of, constant, splat
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType


def _stream(ctx: Context, partitions: int) -> Affine:
    channel = int(ctx.attributes.get("channel_multiplier") or 0)
    pattern = tuple((int(step), int(count)) for step, count in ctx.attributes["pattern"])
    return Affine(ctx.integer("offset"), ((channel, partitions), *pattern))


def iota(ctx: Context) -> None:
    dst = ctx.tile("dst")
    stream = _stream(ctx, dst.partitions)

    def visit(cursor: Cursor) -> None:
        values = cursor.integers(stream)
        if dst.dtype.is_integer:
            cursor.store_raw(dst, _saturated(ctx, values, dst.dtype))
        else:
            cursor.store(dst, ctx.builder.sitofp(values, FLOATS))

    ctx.walk([dst, stream], visit)


def _saturated(ctx: Context, values: ir.Value, dtype: DType) -> ir.Value:
    """int32 values as `dtype`, exactly, clipped to its range."""
    builder = ctx.builder
    width = 8 * dtype.itemsize
    low = 0 if dtype.kind == "uint" else -(2 ** (width - 1))
    high = min(2 ** (width - (dtype.kind == "int")) - 1, 2**31 - 1)
    for op, limit in (("<", low), (">", high)):
        bound = constant(INT32S, limit)
        values = builder.select(builder.icmp_signed(op, values, bound), bound, values)
    return operators.from_words(builder, values, dtype.itemsize)


def affine_select(ctx: Context) -> None:
    dst, data = ctx.tile("dst"), ctx.tile("on_true_tile")
    stream = _stream(ctx, dst.partitions)
    builder = ctx.builder
    op = ctx.attributes.get("cmp_op") or "equal"
    other = types.narrow(builder, splat(builder, ctx.immediate("on_false_value")), dst.dtype)

    def visit(cursor: Cursor) -> None:
        chosen = operators.compare_integers(builder, op, cursor.integers(stream), constant(INT32S, 0))
        bits = cursor.load_raw(data)
        if data.dtype is not dst.dtype:
            bits = types.narrow(builder, types.widen(builder, bits, data.dtype), dst.dtype)
        cursor.store_raw(dst, builder.select(chosen, bits, other))

    ctx.walk([dst, data, stream], visit)


def tensor_copy_predicated(ctx: Context) -> None:
    dst, predicate = ctx.tile("dst"), ctx.tile("predicate")
    builder = ctx.builder
    src = ctx.tile("src") if ctx.is_tile("src") else None
    pattern = None if src is not None else splat(builder, builder.trunc(ctx.integer("src"), bits_of(dst.dtype)))
    sign = "==" if ctx.attributes.get("reverse_pred") else "!="

    def visit(cursor: Cursor) -> None:
        wanted = _not_zero(ctx, cursor.load_raw(predicate), predicate.dtype, sign)
        if src is None:
            bits = pattern
        else:
            bits = cursor.load_raw(src)
            if src.dtype is not dst.dtype:
                bits = types.narrow(builder, types.widen(builder, bits, src.dtype), dst.dtype)
        cursor.store_raw(dst, builder.select(wanted, bits, cursor.load_raw(dst)))

    ctx.walk([dst, predicate] if src is None else [dst, predicate, src], visit)


def _not_zero(ctx: Context, bits: ir.Value, dtype: DType, sign: str) -> ir.Value:
    if dtype.is_float:
        values = types.widen(ctx.builder, bits, dtype)
        found = ctx.builder.fcmp_unordered("!=", values, constant(FLOATS, 0.0))
        return found if sign == "!=" else ctx.builder.not_(found)
    return ctx.builder.icmp_unsigned(sign, bits, constant(ir.VectorType(bits_of(dtype), LANES), 0))


def _scalar_as_bits(operands: dict[str, Any], attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    if isinstance(operands["src"], AccessPattern):
        return operands, attributes
    from nki_sim.engines.jit.constants import pattern_of

    return {**operands, "src": pattern_of(operands["src"], operands["dst"].dtype)}, attributes


def _with_offset(operands: dict[str, Any], attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return operands, {**attributes, "offset": attributes.get("offset") or 0}


LOWERING: Mapping[str, Lowering] = {
    "iota": Lowering(emit=iota, runtime=("offset",), prepare=_with_offset),
    "affine_select": Lowering(
        emit=affine_select, elementwise=True, runtime=("offset", "on_false_value"), prepare=_with_offset
    ),
    "tensor_copy_predicated": Lowering(emit=tensor_copy_predicated, elementwise=True, prepare=_scalar_as_bits),
}
