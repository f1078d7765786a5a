"""Compiled form of dma_copy: plain, casting, and with a row number per partition (gather and scatter)."""

from __future__ import annotations

from collections.abc import Mapping

from llvmlite import ir

from nki_sim.engines.jit.context import STOP_BOUNDS, Context, Tile
from nki_sim.engines.jit.layout import Dims, row_major
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.types import INT64


def dma_copy(ctx: Context) -> None:
    dst, src = ctx.tile("dst"), ctx.tile("src")
    if dst.rows is not None or src.rows is not None:
        _by_rows(ctx, dst, src)
    else:
        _move(ctx, dst, src)


def _move(ctx: Context, dst: Tile, src: Tile) -> None:
    if dst.dtype is src.dtype:
        ctx.copy_any(dst, src)
    else:
        ctx.walk([dst, src], lambda c: c.store(dst, c.load(src)), unroll=2)


def _by_rows(ctx: Context, dst: Tile, src: Tile) -> None:
    """One move per row; all row numbers are checked before the first one moves."""
    count = next(tile.dims[0][1] for tile in (dst, src) if tile.rows is not None)
    skip = ctx.attributes.get("oob_mode") == "skip"
    back: tuple[Tile, Tile] | None = None
    if dst.rows is None and _split(dst.dims, count) is None:
        # Copied in as well, because rows that are skipped keep what dst holds.
        back = (dst, ctx.staged(dst))
        dst = back[1]
    if src.rows is None and _split(src.dims, count) is None:
        src = ctx.staged(src)
    if not skip:
        with ctx.loop(count) as row, ctx.unlikely(ctx.builder.not_(_legal(ctx, dst, src, row))):
            ctx.stop(STOP_BOUNDS)
    with ctx.loop(count) as row:
        if skip:
            with ctx.unlikely(_legal(ctx, dst, src, row)):
                _move(ctx, _row(ctx, dst, row, count), _row(ctx, src, row, count))
        else:
            _move(ctx, _row(ctx, dst, row, count), _row(ctx, src, row, count))
    if back is not None:
        ctx.copy_any(*back)


def _number(ctx: Context, tile: Tile, row: ir.Value) -> ir.Value:
    assert tile.rows is not None
    place = ctx.offset(tile.rows.index, ctx.builder.mul(row, INT64(tile.rows.index_stride_bytes)))
    return ctx.load_index(place, tile.rows.index_dtype)


def _legal(ctx: Context, dst: Tile, src: Tile, row: ir.Value) -> ir.Value:
    """Whether both sides' row numbers are legal, as i1."""
    fine = [
        ctx.in_bounds(_number(ctx, tile, row), tile.rows.low, tile.rows.legal)
        for tile in (dst, src)
        if tile.rows is not None
    ]
    return fine[0] if len(fine) == 1 else ctx.builder.and_(*fine)


def _row(ctx: Context, tile: Tile, row: ir.Value, count: int) -> Tile:
    """One row of a tile: the row its index tile names, or the one at this place."""
    if tile.rows is not None:
        distance = ctx.builder.mul(_number(ctx, tile, row), tile.rows.multiplier_bytes)
        inner: Dims = tile.dims[1:]
    else:
        split = _split(tile.dims, count)
        assert split is not None
        stride, inner = split
        distance = ctx.builder.mul(row, INT64(stride))
    inner = inner or row_major((1,), tile.dtype.itemsize)
    return Tile(tile.dtype, ctx.offset(tile.pointer, distance), inner, False)


def _split(dims: Dims, rows: int) -> tuple[int, Dims] | None:
    """(byte stride between rows, dims of a row) when the leading dimensions make `rows` equally spaced rows."""
    outer: list[tuple[int, int]] = []
    inner: list[tuple[int, int]] = []
    left = rows
    for stride, count in dims:
        if left == 1:
            inner.append((stride, count))
        elif left % count == 0:
            outer.append((stride, count))
            left //= count
        elif count % left == 0:
            outer.append((stride * (count // left), left))
            inner.append((stride, count // left))
            left = 1
        else:
            return None
    outer = [pair for pair in outer if pair[1] != 1]
    while len(outer) > 1:
        (far, many), (near, few) = outer[-2:]
        if far != near * few:
            return None
        outer[-2:] = [(near, many * few)]
    return (outer[0][0] if outer else 0), tuple(inner)


LOWERING: Mapping[str, Lowering] = {"dma_copy": Lowering(emit=dma_copy, elementwise=True)}
