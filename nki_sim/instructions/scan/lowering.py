"""Compiled form of tensor_tensor_scan: sixteen partitions go along the free dimension side by side."""

from __future__ import annotations

from collections.abc import Mapping

from llvmlite import ir

from nki_sim.engines.jit import operators, types
from nki_sim.engines.jit.context import Context, Tile
from nki_sim.engines.jit.loops import LANES
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.types import INT64, splat


def tensor_tensor_scan(ctx: Context) -> None:
    tiles = [ctx.tile("dst"), ctx.tile("data0"), ctx.tile("data1")]
    tiles, copies = ctx.shared(tiles, by_partition=True)
    partitions = tiles[0].partitions
    full = partitions // LANES
    if full:
        with ctx.loop(full) as block:
            _block(ctx, tiles, ctx.builder.mul(block, INT64(LANES)), LANES)
    if partitions % LANES:
        _block(ctx, tiles, INT64(full * LANES), partitions % LANES)
    for real, copy in copies:
        ctx.copy_any(real, copy)


def _block(ctx: Context, tiles: list[Tile], first: ir.Value, count: int) -> None:
    """Scan `count` partitions from partition `first` on; the lanes of the state are partitions."""
    builder = ctx.builder
    state = ctx.variable(_initial(ctx, first, count))
    places = [_partition(ctx, tile, first) for tile in tiles]
    steps = [tile.partition_stride_bytes for tile in tiles]

    def element(pointers: list[ir.Value]) -> None:
        sources = [
            types.widen(builder, ctx.load_bits(pointer, tile.dtype.itemsize, step, count), tile.dtype)
            for pointer, tile, step in zip(pointers[1:], tiles[1:], steps[1:], strict=True)
        ]
        attributes = ctx.attributes
        value = operators.arithmetic(
            builder, attributes["op0"], sources[0], state.get(), bool(attributes.get("reverse0"))
        )
        value = operators.arithmetic(builder, attributes["op1"], value, sources[1], bool(attributes.get("reverse1")))
        state.set(value)
        ctx.store_bits(pointers[0], types.narrow(builder, value, tiles[0].dtype), steps[0], count)

    ctx.for_each([tile.free for tile in tiles], places, element)


def _partition(ctx: Context, tile: Tile, number: ir.Value) -> ir.Value:
    return ctx.offset(tile.pointer, ctx.builder.mul(number, INT64(tile.partition_stride_bytes)))


def _initial(ctx: Context, first: ir.Value, count: int) -> ir.Value:
    if not ctx.is_tile("initial"):
        return splat(ctx.builder, ctx.immediate("initial"))
    tile = ctx.tile("initial")
    stride = tile.partition_stride_bytes if tile.partitions > 1 else 0
    place = ctx.offset(tile.pointer, ctx.builder.mul(first, INT64(stride)))
    return types.widen(ctx.builder, ctx.load_bits(place, tile.dtype.itemsize, stride, count), tile.dtype)


LOWERING: Mapping[str, Lowering] = {"tensor_tensor_scan": Lowering(emit=tensor_tensor_scan, elementwise=True)}
