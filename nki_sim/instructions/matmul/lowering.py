"""How nc_matmul and nc_transpose become code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from llvmlite import ir

from nki_sim.engines.jit import types
from nki_sim.engines.jit.context import Context, Cursor, Tile
from nki_sim.engines.jit.layout import row_major
from nki_sim.engines.jit.loops import LANES
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.matmul import Matrix, matrix_of, multiply, transpose
from nki_sim.engines.jit.types import INT64
from nki_sim.program.dtypes import float32, uint8


def _prepare(operands: dict[str, Any], attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A mask that says the same everywhere becomes a bool; other masks are passed as arrays of 0 and 1."""
    accumulate = attributes["accumulate"]
    if isinstance(accumulate, np.ndarray):
        mask = accumulate != 0
        accumulate = bool(mask.all()) if mask.all() or not mask.any() else mask.astype(np.uint8)
    else:
        accumulate = bool(accumulate)
    return operands, {**attributes, "accumulate": accumulate}


def _matrices(ctx: Context, name: str) -> list[Matrix]:
    """The operand as one matrix [K, free], or in double_row mode as the two matrices of its pair dimension."""
    tile = ctx.tile(name)
    if ctx.attributes.get("perf_mode") != "double_row":
        return [_flat(ctx, tile)]
    if matrix_of(tile, tile.free[1:]) is None:
        tile = ctx.staged(tile)
    pair_stride = tile.free[0][0]
    found = [matrix_of(tile, tile.free[1:], ctx.offset(tile.pointer, INT64(half * pair_stride))) for half in range(2)]
    return [matrix for matrix in found if matrix is not None]


def _flat(ctx: Context, tile: Tile) -> Matrix:
    """The tile as a matrix, copied first when its free dimensions have no common stride."""
    matrix = matrix_of(tile) or matrix_of(ctx.staged(tile))
    assert matrix is not None
    return matrix


def _scratch_tile(ctx: Context, dtype: Any, shape: tuple[int, ...]) -> Tile:
    elements = int(np.prod(shape))
    return Tile(dtype, ctx.scratch(elements * dtype.itemsize), row_major(shape, dtype.itemsize), True)


def emit_matmul(ctx: Context) -> None:
    """dst = stationary.T @ moving, or added to dst. See engines/jit/matmul.py for the order of summation.

    Anything but a plain fp32 dst (bfloat16, strided, a mask) goes through a scratch result and one more pass over it.
    """
    if ctx.attributes.get("is_transpose"):
        _emit_transpose_mode(ctx)
        return
    accumulate = ctx.attributes["accumulate"]
    dst = ctx.tile("dst")
    stationary, moving = _matrices(ctx, "stationary"), _matrices(ctx, "moving")
    plain = matrix_of(dst)
    if plain is not None and plain.unit and dst.dtype is float32 and isinstance(accumulate, bool):
        multiply(ctx, stationary, moving, plain, accumulate)
        return
    shape = (dst.partitions, dst.free_elements)
    product = _scratch_tile(ctx, float32, shape)
    multiply(ctx, stationary, moving, _flat(ctx, product), False)
    mask = None if isinstance(accumulate, bool) else Tile(uint8, ctx.constant("accumulate"), row_major(shape, 1), True)

    def visit(cursor: Cursor) -> None:
        builder = ctx.builder
        value = cursor.load(product)
        if accumulate:
            total = builder.fadd(cursor.load(dst), value)
            if mask is not None:
                bits = cursor.load_raw(mask)
                value = builder.select(builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, None)), total, value)
            else:
                value = total
        cursor.store(dst, value)

    ctx.walk([dst, product, *([mask] if mask is not None else [])], visit)


def _emit_transpose_mode(ctx: Context) -> None:
    """The bits of stationary, transposed; each column of moving selects, by its 1, the row of stationary to take."""
    moving = _matrices(ctx, "moving")[0]
    chosen = _selected_rows(ctx, moving)

    def row(number: ir.Value) -> ir.Value:
        cell = ctx.builder.gep(chosen, [number], source_etype=types.INT32)
        return ctx.builder.zext(ctx.builder.load(cell, typ=types.INT32), INT64)

    _emit_transposed(ctx, ctx.tile("stationary"), moving.columns, row)


def _selected_rows(ctx: Context, selector: Matrix) -> ir.Value:
    """Address of one i32 per column of `selector`: the last row with a non-zero element there."""
    builder = ctx.builder
    size = selector.dtype.itemsize
    vectors = -(-selector.columns // LANES)
    chosen = ctx.scratch(vectors * LANES * 4)
    for v in range(vectors):
        builder.store(ir.Constant(types.INT32S, None), ctx.offset(chosen, INT64(v * LANES * 4)), align=4)
    with ctx.loop(selector.rows) as k:
        start = ctx.offset(selector.pointer, builder.mul(k, INT64(selector.row_stride)))
        number = types.splat(builder, builder.trunc(k, types.INT32))
        for v in range(vectors):
            first = v * LANES
            place = ctx.offset(start, INT64(first * selector.column_stride))
            bits = ctx.load_bits(place, size, selector.column_stride, min(LANES, selector.columns - first))
            cell = ctx.offset(chosen, INT64(first * 4))
            # Twice the bits drops the sign: -0 selects nothing.
            unsigned = builder.add(bits, bits)
            hit = builder.icmp_unsigned("!=", unsigned, ir.Constant(bits.type, None))
            builder.store(builder.select(hit, number, builder.load(cell, typ=types.INT32S, align=4)), cell, align=4)
    return chosen


def _emit_transposed(ctx: Context, data: Tile, columns: int, row: Any = None) -> None:
    """dst[f, p] = data[row(p), f]."""
    dst = ctx.tile("dst")
    source = _flat(ctx, data)
    same_bits = dst.dtype is data.dtype or (data.dtype.itemsize == 1 and dst.dtype.itemsize == 2)
    if not same_bits:
        _emit_converting(ctx, dst, source, columns, row)
        return
    plain = matrix_of(dst)
    if plain is not None:
        transpose(ctx, source, plain, row)
        return
    copy = _scratch_tile(ctx, dst.dtype, (dst.partitions, dst.free_elements))
    transpose(ctx, source, _flat(ctx, copy), row)
    ctx.copy(dst, copy)


def _emit_converting(ctx: Context, dst: Tile, source: Matrix, columns: int, row: Any) -> None:
    """Transpose into scratch, then convert: the way of targets whose transpose leaves fp32 in PSUM."""
    copy = _scratch_tile(ctx, source.dtype, (dst.partitions, columns))
    transpose(ctx, source, _flat(ctx, copy), row)
    ctx.walk([dst, copy], lambda cursor: cursor.store(dst, cursor.load(copy)))


def emit_transpose(ctx: Context) -> None:
    """dst[F, P] = data[P, F], bit for bit."""
    data = ctx.tile("data")
    _emit_transposed(ctx, data, data.partitions)


LOWERING: Mapping[str, Lowering] = MappingProxyType(
    {
        "nc_matmul": Lowering(emit=emit_matmul, prepare=_prepare),
        "nc_transpose": Lowering(emit=emit_transpose),
    }
)
