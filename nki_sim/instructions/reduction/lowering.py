"""Compiled form of tensor_reduce, tensor_partition_reduce, bn_stats and bn_aggr.

Sums and products are taken in double and rounded once, so they depend neither on the order nor on the host. Long runs
of elements to reduce fill the vector lanes; short ones leave the lanes to neighbouring results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from nki_sim.engines.jit.context import Context, Cursor, Row, Tile
from nki_sim.engines.jit.layout import Dims, count_of, row_major
from nki_sim.engines.jit.loops import LANES, plan
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.operators import Reduction, as_words, from_words
from nki_sim.engines.jit.types import DOUBLE, DOUBLES, FLOAT, INT32, INT64, constant, widen
from nki_sim.program.dtypes import float32

# From this many elements on, lanes run along the reduced dimensions.
_LONG = 16


def tensor_reduce(ctx: Context) -> None:
    axis = ctx.attributes["axis"]
    axes = set(axis) if isinstance(axis, tuple | list) else {int(axis)}
    _reduce(ctx, axes, bool(ctx.attributes.get("negate")))


def tensor_partition_reduce(ctx: Context) -> None:
    _reduce(ctx, {0}, negate=False)


def _reduce(ctx: Context, axes: set[int], negate: bool) -> None:
    dst, data = ctx.tile("dst"), ctx.tile("data")
    kept = tuple(dim for i, dim in enumerate(data.dims) if i not in axes)
    reduced = tuple(dim for i, dim in enumerate(data.dims) if i in axes)
    reduction = Reduction(ctx.attributes["op"])
    starts = Tile(data.dtype, data.pointer, kept or row_major((1,), 1), False)
    if 0 not in axes and count_of(reduced) >= _LONG:
        _along(ctx, reduction, dst, starts, reduced, negate)
    else:
        _across(ctx, reduction, dst, starts, reduced, negate)


def _finished(ctx: Context, reduction: Reduction, value: ir.Value, negate: bool) -> ir.Value:
    return ctx.builder.fneg(value) if negate and not reduction.bits else value


def _along(ctx: Context, reduction: Reduction, dst: Tile, starts: Tile, reduced: Dims, negate: bool) -> None:
    """Lanes along the elements of one result."""
    builder = ctx.builder
    slots = 2 if reduction.double else 4

    def result(pointers: list[ir.Value]) -> None:
        row = Tile(starts.dtype, pointers[1], reduced, False)
        sums = [ctx.variable(reduction.start()) for _ in range(slots)]

        def visit(cursor: Cursor) -> None:
            values = as_words(builder, cursor.load_raw(row)) if reduction.bits else cursor.load(row)
            values = cursor.active(values, reduction.fill)
            sums[cursor.slot].set(reduction.take(builder, sums[cursor.slot].get(), values))

        ctx.walk([row], visit, unroll=slots, outputs=())
        total = sums[0].get()
        for other in sums[1:]:
            total = reduction.combine(builder, total, other.get())
        first = ctx.load_element(pointers[1], row.dtype) if reduction.op == "subtract" else None
        value = reduction.result(builder, reduction.fold(builder, total), first, row.elements)
        value = _finished(ctx, reduction, value, negate)
        if reduction.bits:
            bits = value if dst.dtype.itemsize == 4 else builder.trunc(value, ir.IntType(8 * dst.dtype.itemsize))
            builder.store(bits, pointers[0], align=1)
        else:
            ctx.store_element(pointers[0], value, dst.dtype)

    (dst, starts), back = _with_common_nest(ctx, dst, starts)
    ctx.for_each([dst.dims, starts.dims], [dst.pointer, starts.pointer], result)
    for real, copy in back:
        ctx.copy_any(real, copy)


def _with_common_nest(ctx: Context, dst: Tile, starts: Tile) -> tuple[tuple[Tile, Tile], list[tuple[Tile, Tile]]]:
    """A contiguous copy of dst where its rank does not go with the kept dimensions; data beside `starts` must stay
    put."""
    if plan([dst.dims, starts.dims]) is not None:
        return (dst, starts), []
    copy = ctx.staged(dst)
    return (copy, starts), [(dst, copy)]


def _across(ctx: Context, reduction: Reduction, dst: Tile, starts: Tile, reduced: Dims, negate: bool) -> None:
    """Lanes along neighbouring results; one element of each at a time."""
    builder = ctx.builder

    def visit(cursor: Cursor) -> None:
        total = ctx.variable(reduction.start())

        def element(distances: list[ir.Value]) -> None:
            bits = cursor.load_raw(starts, distances[0])
            values = as_words(builder, bits) if reduction.bits else widen(builder, bits, starts.dtype)
            total.set(reduction.take(builder, total.get(), values))

        ctx.for_each([reduced], [INT64(0)], element)
        first = cursor.load(starts) if reduction.op == "subtract" else None
        value = reduction.result(builder, total.get(), first, count_of(reduced))
        value = _finished(ctx, reduction, value, negate)
        if reduction.bits:
            cursor.store_raw(dst, from_words(builder, value, dst.dtype.itemsize))
        else:
            cursor.store(dst, value)

    ctx.walk([dst, starts], visit, fixed=(starts,))


def _as_floats(ctx: Context, row: Row, tile: Tile) -> ir.Value:
    """Address of a contiguous fp32 copy of one partition of `tile`, in the scratch of the row."""
    place = ctx.scratch(4 * (tile.free_elements + 2 * LANES))
    flat = Tile(float32, place, row_major((tile.free_elements,), 4), False)
    source = Tile(tile.dtype, row.pointer(tile), tile.free or row_major((1,), tile.dtype.itemsize), False)
    ctx.walk([flat, source], lambda c: c.store(flat, c.load(source)))
    return place


def _store_all(ctx: Context, row: Row, dst: Tile, values: Sequence[ir.Value]) -> None:
    """fp32 values to the first elements of a partition of `dst`, in row-major order."""
    for distance, value in zip(_offsets(dst.free), values, strict=True):
        ctx.store_element(ctx.offset(row.pointer(dst), INT64(distance)), value, dst.dtype)


def _offsets(dims: Dims) -> list[int]:
    found = [0]
    for stride, count in dims:
        found = [base + i * stride for base in found for i in range(count)]
    return found


def bn_stats(ctx: Context) -> None:
    dst, data = ctx.tile("dst"), ctx.tile("data")
    count = data.free_elements
    with ctx.loop(data.partitions) as number:
        row = Row(ctx, number)
        flat = Tile(float32, _as_floats(ctx, row, data), row_major((count,), 4), False)
        parts = [(count + 1) // 2, count // 2]
        means = [_mean(ctx, total, part) for total, part in zip(_by_parity(ctx, flat, None), parts, strict=True)]
        centre = constant(DOUBLES, 0.0)
        for lane in range(LANES):
            centre = ctx.builder.insert_element(centre, means[lane % 2], INT32(lane))
        spreads = _by_parity(ctx, flat, centre)
        values: list[ir.Value] = []
        for part, mean, spread in zip(parts, means, spreads, strict=True):
            values += [FLOAT(float(part)), *(ctx.builder.fptrunc(one, FLOAT) for one in (mean, spread))]
        _store_all(ctx, row, dst, values)


def _mean(ctx: Context, total: ir.Value, count: int) -> ir.Value:
    return ctx.builder.fdiv(total, DOUBLE(float(count))) if count else DOUBLE(0.0)


def _by_parity(ctx: Context, flat: Tile, centre: ir.Value | None) -> list[ir.Value]:
    """Sums over even and odd elements, or of their squared distances from `centre`, in double."""
    builder = ctx.builder
    total = ctx.variable(constant(DOUBLES, 0.0))

    def visit(cursor: Cursor) -> None:
        wide = builder.fpext(cursor.load(flat), DOUBLES)
        if centre is not None:
            wide = builder.fsub(wide, centre)
            wide = builder.fmul(wide, wide)
        total.set(builder.fadd(total.get(), cursor.active(wide, 0.0)))

    ctx.walk([flat], visit, outputs=())
    sums = total.get()
    add = Reduction("add")
    halves: list[ir.Value] = []
    for parity in (0, 1):
        lanes = ir.Constant(ir.VectorType(INT32, LANES // 2), list(range(parity, LANES, 2)))
        halves.append(add.fold(builder, builder.shuffle_vector(sums, ir.Constant(DOUBLES, ir.Undefined), lanes)))
    return halves


def bn_aggr(ctx: Context) -> None:
    """Chan, Golub and LeVeque: merging groups adds count * (mean - whole mean)^2 to the sum of squares."""
    dst, data = ctx.tile("dst"), ctx.tile("data")
    builder = ctx.builder
    groups = data.free_elements // 3
    with ctx.loop(data.partitions) as number:
        row = Row(ctx, number)
        flat = _as_floats(ctx, row, data)

        def field(group: ir.Value, place: int, base: ir.Value = flat) -> ir.Value:
            position = builder.add(builder.mul(group, INT64(3)), INT64(place))
            return builder.fpext(builder.load(builder.gep(base, [position], source_etype=FLOAT), typ=FLOAT), DOUBLE)

        total, weighted, spread = (ctx.variable(DOUBLE(0.0)) for _ in range(3))
        with ctx.loop(groups) as group:
            count = field(group, 0)
            total.set(builder.fadd(total.get(), count))
            weighted.set(builder.fadd(weighted.get(), builder.fmul(count, field(group, 1))))
        mean = builder.fdiv(weighted.get(), total.get())
        with ctx.loop(groups) as group:
            away = builder.fsub(field(group, 1), mean)
            moved = builder.fmul(field(group, 0), builder.fmul(away, away))
            spread.set(builder.fadd(spread.get(), builder.fadd(field(group, 2), moved)))
        variance = builder.fdiv(spread.get(), total.get())
        _store_all(ctx, row, dst, [builder.fptrunc(one, FLOAT) for one in (mean, variance)])


LOWERING: Mapping[str, Lowering] = {
    "tensor_reduce": Lowering(emit=tensor_reduce),
    "tensor_partition_reduce": Lowering(emit=tensor_partition_reduce),
    "bn_stats": Lowering(emit=bn_stats),
    "bn_aggr": Lowering(emit=bn_aggr),
}
