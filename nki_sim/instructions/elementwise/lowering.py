"""Compiled form of tensor_copy, tensor_tensor, tensor_scalar, scalar_tensor_tensor, reciprocal and memset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from nki_sim.engines.jit import operators
from nki_sim.engines.jit.context import Context, Cursor, Row, RowScalar, Tile
from nki_sim.engines.jit.loops import LANES
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.types import INT32, bits_of, splat

_UNROLL = 2


def tensor_copy(ctx: Context) -> None:
    dst, src = ctx.tile("dst"), ctx.tile("src")
    if dst.dtype is src.dtype:
        ctx.copy_any(dst, src)
        return
    ctx.walk([dst, src], lambda c: c.store(dst, c.load(src)), unroll=_UNROLL)


def tensor_tensor(ctx: Context) -> None:
    op = ctx.attributes["op"]
    dst, data1, data2 = ctx.tile("dst"), ctx.tile("data1"), ctx.tile("data2")
    builder = ctx.builder

    def bits(cursor: Cursor) -> None:
        left = operators.as_words(builder, cursor.load_raw(data1))
        right = operators.as_words(builder, cursor.load_raw(data2))
        result = operators.bitvec(builder, op, left, right, 8 * data1.dtype.itemsize)
        cursor.store_raw(dst, operators.from_words(builder, result, dst.dtype.itemsize))

    def integers(cursor: Cursor) -> None:
        left, right = (
            operators.as_wide(builder, cursor.load_raw(tile), tile.dtype == "int32") for tile in (data1, data2)
        )
        result = operators.integer_arithmetic(builder, op, left, right)
        cursor.store_raw(dst, builder.trunc(result, ir.VectorType(INT32, LANES)))

    def floats(cursor: Cursor) -> None:
        cursor.store(dst, operators.arithmetic(builder, op, cursor.load(data1), cursor.load(data2)))

    visit = floats
    if op in operators.BITVEC:
        visit = bits
    elif (
        ctx.attributes["engine"] == "gpsimd"
        and op in operators.INTEGER
        and all(tile.dtype in ("int32", "uint32") for tile in (dst, data1, data2))
    ):
        visit = integers
    ctx.walk([dst, data1, data2], visit, unroll=1 if op == "power" else _UNROLL)


def tensor_scalar(ctx: Context) -> None:
    steps = [(ctx.attributes["op0"], "operand0", bool(ctx.attributes.get("reverse0")))]
    if ctx.attributes.get("op1") is not None:
        steps.append((ctx.attributes["op1"], "operand1", bool(ctx.attributes.get("reverse1"))))
    if steps[0][0] in operators.BITVEC:
        _bitvec_scalar(ctx, steps)
        return
    dst, data = ctx.tile("dst"), ctx.tile("data")
    scalars = {
        name: ctx.row_scalar(name) for op, name, _ in steps if op not in operators.UNARY and not ctx.is_absent(name)
    }

    def visit(cursor: Cursor) -> None:
        value = cursor.load(data)
        for op, name, reverse in steps:
            other = cursor.value(scalars[name]) if name in scalars else None
            value = operators.arithmetic(ctx.builder, op, value, other, reverse)
        cursor.store(dst, value)

    slow = any(op in ("power", "rsqrt") for op, _, _ in steps)
    ctx.walk([dst, data], visit, scalars=list(scalars.values()), unroll=1 if slow else _UNROLL)


def _bitvec_scalar(ctx: Context, steps: list[tuple[str, str, bool]]) -> None:
    """Operands are patterns: of a (P, 1) tile, or an integer in two's complement of data's width."""
    dst, data = ctx.tile("dst"), ctx.tile("data")
    builder = ctx.builder
    width = 8 * data.dtype.itemsize
    used = [name for op, name, _ in steps if op not in operators.UNARY]
    tiles: dict[str, Tile] = {name: ctx.tile(name) for name in used if ctx.is_tile(name)}
    words: dict[str, ir.Value] = {}
    for name in used:
        if name not in tiles:
            mask = ctx.builder.trunc(ctx.integer(name), INT32)
            words[name] = splat(builder, builder.and_(mask, INT32((1 << width) - 1 if width < 32 else -1)))

    def row(here: Row) -> None:
        for name, tile in tiles.items():
            bits = builder.load(here.pointer(tile), typ=bits_of(tile.dtype), align=1)
            words[name] = operators.as_words(builder, splat(builder, bits))

    def visit(cursor: Cursor) -> None:
        value = operators.as_words(builder, cursor.load_raw(data))
        for op, name, reverse in steps:
            value = operators.bitvec(builder, op, value, words.get(name), width, reverse)
        cursor.store_raw(dst, operators.from_words(builder, value, dst.dtype.itemsize))

    ctx.walk([dst, data], visit, row=row if tiles else None, unroll=_UNROLL)


def scalar_tensor_tensor(ctx: Context) -> None:
    dst, data, other = ctx.tile("dst"), ctx.tile("data"), ctx.tile("operand1")
    op0, op1 = ctx.attributes["op0"], ctx.attributes["op1"]
    scalar: RowScalar | None = None if ctx.is_absent("operand0") else ctx.row_scalar("operand0")

    def visit(cursor: Cursor) -> None:
        first = operators.arithmetic(
            ctx.builder,
            op0,
            cursor.load(data),
            None if scalar is None else cursor.value(scalar),
            bool(ctx.attributes.get("reverse0")),
        )
        reverse = bool(ctx.attributes.get("reverse1"))
        cursor.store(dst, operators.arithmetic(ctx.builder, op1, first, cursor.load(other), reverse))

    slow = "power" in (op0, op1)
    ctx.walk([dst, data, other], visit, scalars=[] if scalar is None else [scalar], unroll=1 if slow else _UNROLL)


def reciprocal(ctx: Context) -> None:
    dst, data = ctx.tile("dst"), ctx.tile("data")
    ctx.walk([dst, data], lambda c: c.store(dst, operators.unary(ctx.builder, "reciprocal", c.load(data))))


def memset(ctx: Context) -> None:
    dst = ctx.tile("dst")
    bits = ctx.builder.trunc(ctx.integer("value"), ir.IntType(64))
    pattern = splat(ctx.builder, ctx.builder.trunc(bits, bits_of(dst.dtype)))
    ctx.walk([dst], lambda c: c.store_raw(dst, pattern), unroll=4)


def _constant_as_bits(operands: dict[str, Any], attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    from nki_sim.engines.jit.constants import pattern_of

    return operands, {**attributes, "value": pattern_of(attributes["value"], operands["dst"].dtype)}


LOWERING: Mapping[str, Lowering] = {
    "tensor_copy": Lowering(emit=tensor_copy, elementwise=True),
    "tensor_tensor": Lowering(emit=tensor_tensor, elementwise=True, uses_engine=True),
    "tensor_scalar": Lowering(emit=tensor_scalar, elementwise=True),
    "scalar_tensor_tensor": Lowering(emit=scalar_tensor_tensor, elementwise=True),
    "reciprocal": Lowering(emit=reciprocal, elementwise=True),
    "memset": Lowering(emit=memset, runtime=("value",), prepare=_constant_as_bits),
}
