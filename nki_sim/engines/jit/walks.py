"""Walks: every element of several operands, sixteen at a time, in one loop nest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from nki_sim.engines.jit import types
from nki_sim.engines.jit.emitter import Emitter
from nki_sim.engines.jit.layout import Dims, count_of, row_major, self_overlapping
from nki_sim.engines.jit.loops import LANES, Level, innermost_last, plan
from nki_sim.engines.jit.tiles import Affine, RowScalar, Tile, Walked
from nki_sim.engines.jit.types import INT32, INT64

# From this size on a call of memcpy beats inline vectors.
_MEMCPY_BYTES = 64


class Cursor:
    """Sixteen consecutive elements of a walk, the same ones of every operand.

    count   active lanes, known while emitting
    slot    which of the interleaved steps this is, for walks with `unroll` > 1 (separate accumulators)
    row     number of the partition as i64, in walks by rows
    """

    def __init__(self, ctx: Walks, count: int, slot: int, row: ir.Value | None) -> None:
        self._ctx = ctx
        self.count = count
        self.slot = slot
        self.row = row
        self._places: dict[int, tuple[ir.Value, int]] = {}
        self._scalars: dict[int, ir.Value] = {}

    def load(self, tile: Tile) -> ir.Value:
        """The elements as <16 x float>."""
        return types.widen(self._ctx.builder, self.load_raw(tile), tile.dtype)

    def load_raw(self, tile: Tile, distance: ir.Value | None = None) -> ir.Value:
        """The bits: <16 x iN>, N the element size; `distance` bytes further on."""
        pointer, stride = self._places[id(tile)]
        if distance is not None:
            pointer = self._ctx.offset(pointer, distance)
        return self._ctx.load_bits(pointer, tile.dtype.itemsize, stride, self.count)

    def store(self, tile: Tile, value: ir.Value) -> None:
        """Write <16 x float>, rounded to the tile's dtype."""
        self.store_raw(tile, types.narrow(self._ctx.builder, value, tile.dtype))

    def store_raw(self, tile: Tile, bits: ir.Value) -> None:
        """Write <16 x iN> as it is."""
        pointer, stride = self._places[id(tile)]
        self._ctx.store_bits(pointer, bits, stride, self.count)

    def integers(self, stream: Affine) -> ir.Value:
        """The values of an affine stream as <16 x i32>."""
        start, step = self._places[id(stream)]
        builder = self._ctx.builder
        first = types.splat(builder, builder.trunc(start, INT32), LANES)
        return builder.add(first, ir.Constant(types.INT32S, [(step * i + 2**31) % 2**32 - 2**31 for i in range(LANES)]))

    def value(self, scalar: RowScalar) -> ir.Value:
        """A row scalar as <16 x float>."""
        return self._scalars[id(scalar)]

    def active(self, value: ir.Value, fill: float | ir.Constant) -> ir.Value:
        """`value` with `fill` in the idle lanes."""
        if self.count == LANES:
            return value
        other = fill if isinstance(fill, ir.Constant) else ir.Constant(value.type, [fill] * LANES)
        return self._ctx.builder.select(types.lane_mask(self.count), value, other)


@dataclass(frozen=True, eq=False)
class Row:
    """One partition of a walk by rows. index: its number (i64), counted from the first partition of the tiles."""

    ctx: Walks
    index: ir.Value

    def pointer(self, tile: Tile) -> ir.Value:
        """Address of the first element of `tile` in this partition."""
        if tile.partitions == 1:
            return tile.pointer
        return self.ctx.offset(tile.pointer, self.ctx.builder.mul(self.index, INT64(tile.partition_stride_bytes)))

    def load_scalar(self, tile: Tile) -> ir.Value:
        """The first element of `tile` in this partition as fp32."""
        return self.ctx.load_element(self.pointer(tile), tile.dtype)

    def store_scalar(self, tile: Tile, value: ir.Value) -> None:
        """Write fp32 `value` to the first element of `tile` in this partition."""
        self.ctx.store_element(self.pointer(tile), value, tile.dtype)


class Walks(Emitter):
    """The loop nests of a Context."""

    @abstractmethod
    def scratch(self, nbytes: int) -> ir.Value:
        """Address of `nbytes` of memory for this instruction alone, 64-byte aligned."""

    def walk(
        self,
        operands: Sequence[Walked],
        visit: Callable[[Cursor], None],
        *,
        scalars: Sequence[RowScalar] = (),
        row: Callable[[Row], Callable[[], None] | None] | None = None,
        ordered: bool = False,
        unroll: int = 1,
        outputs: Sequence[Tile] | None = None,
        fixed: Sequence[Tile] = (),
    ) -> None:
        """Visit every element of `operands`, sixteen at a time.

        operands  tiles and streams with the same number of elements (ranks may differ; row-major order)
        scalars   row scalars that `visit` reads with cursor.value
        row       called at the start of each partition; may return a function to call at its end. Asking for rows (or
                  for a scalar that is a tile) makes the partitions the outermost loop, and all operands must be on
                  chip
        ordered   keep row-major order even where another order is faster
        unroll    steps per pass of the innermost loop, with cursor.slot 0..unroll-1
        outputs   the operands that `visit` writes (default: the first one)
        fixed     operands that may not be copied aside, because `visit` reads beside their elements
        """
        if any(_count(operand) == 0 for operand in operands):
            return
        written = [o for o in operands[:1] if isinstance(o, Tile)] if outputs is None else list(outputs)
        ordered = ordered or any(self_overlapping(tile.dims) for tile in written)
        by_rows = row is not None or any(s.tile is not None for s in scalars)
        walked = self._plannable(operands, written, 1 if by_rows else 0, fixed)
        places = [w.pointer if isinstance(w, Tile) else w.start for w in walked.operands]
        sizes = [w.dtype.itemsize if isinstance(w, Tile) else 0 for w in walked.operands]
        values_for_all = {
            id(s): types.splat(self.builder, s.immediate, LANES) for s in scalars if s.immediate is not None
        }

        def nest(
            levels: tuple[Level, ...], starts: list[ir.Value], number: ir.Value | None, values: dict[int, ir.Value]
        ) -> None:
            if not ordered:
                levels = innermost_last(levels, sizes)
            self._nest(levels, list(operands), walked.operands, starts, number, values, visit, unroll)

        if by_rows:
            count = walked.operands[0].dims[0][1]
            with self.loop(count) as number:
                here = Row(self, number)
                values = dict(values_for_all)
                for scalar in scalars:
                    if scalar.tile is not None:
                        values[id(scalar)] = types.splat(self.builder, here.load_scalar(scalar.tile), LANES)
                finish = row(here) if row is not None else None
                strides = [w.dims[0][0] for w in walked.operands]
                starts = self._advance(walked.operands, places, strides, number)
                levels = plan([w.dims[1:] for w in walked.operands])
                assert levels is not None
                nest(levels, starts, number, values)
                if finish is not None:
                    finish()
        else:
            levels = plan([w.dims for w in walked.operands])
            assert levels is not None
            nest(levels, places, None, values_for_all)
        for real, temporary in walked.copies_back:
            self.copy_any(real, temporary)

    def copy(self, dst: Tile, src: Tile) -> None:
        """Bits of `src` to `dst`, which have equal element sizes and a common nest. Long contiguous runs use memcpy."""
        levels = plan([dst.dims, src.dims])
        assert levels is not None
        size = dst.dtype.itemsize
        run = levels[-1].count * size if levels and levels[-1].strides == (size, size) else 0
        if run >= _MEMCPY_BYTES:
            self._for_levels(levels[:-1], [dst.pointer, src.pointer], lambda places: self._memcpy(places, run))
            return
        if not self_overlapping(dst.dims):
            levels = innermost_last(levels, [size] * 2)
        pair: list[Walked] = [dst, src]
        self._nest(
            levels, pair, pair, [dst.pointer, src.pointer], None, {}, lambda c: c.store_raw(dst, c.load_raw(src)), 2
        )

    def copy_any(self, dst: Tile, src: Tile) -> None:
        """Bits of `src` to `dst`: equal element sizes and counts, any ranks."""
        if plan([dst.dims, src.dims]) is None:
            src = self.staged(src)
        if plan([dst.dims, src.dims]) is None:
            # Contiguous source and yet no nest: counts differ, which checks rule out.
            raise ValueError(f"cannot copy {src.dims} to {dst.dims}")
        self.copy(dst, src)

    def _memcpy(self, places: list[ir.Value], nbytes: int) -> None:
        kind = [types.POINTER, types.POINTER, INT64, types.BIT]
        function = types.intrinsic(self.builder, "llvm.memcpy.p0.p0.i64", ir.VoidType(), kind)
        self.builder.call(function, [*places, INT64(nbytes), types.BIT(0)])

    def for_each(
        self, dims: Sequence[Dims], places: Sequence[ir.Value], body: Callable[[list[ir.Value]], None]
    ) -> None:
        """``body(places)`` for every element in row-major order; places are addresses, or i64 distances."""
        levels = plan(dims)
        assert levels is not None, f"no common nest for {dims}"
        self._for_levels(levels, list(places), body)

    def _for_levels(
        self, levels: tuple[Level, ...], places: list[ir.Value], body: Callable[[list[ir.Value]], None]
    ) -> None:
        if not levels:
            body(places)
            return
        with self.loop(levels[0].count) as index:
            inner = [
                place if stride == 0 else self._moved(place, self.builder.mul(index, INT64(stride)))
                for place, stride in zip(places, levels[0].strides, strict=True)
            ]
            self._for_levels(levels[1:], inner, body)

    def _moved(self, place: ir.Value, distance: ir.Value) -> ir.Value:
        if isinstance(place.type, ir.PointerType):
            return self.offset(place, distance)
        return self.builder.add(place, distance)

    def shared(self, tiles: Sequence[Tile], by_partition: bool = False) -> tuple[list[Tile], list[tuple[Tile, Tile]]]:
        """The tiles, some replaced by contiguous copies so that they have a common nest; the first one is written.

        Second, (tile, copy) pairs to write back afterwards with `copy_any`. `by_partition` leaves the first dimension
        out of the nest.
        """
        found = self._plannable(tiles, list(tiles[:1]), 1 if by_partition else 0, ())
        return [tile for tile in found.operands if isinstance(tile, Tile)], found.copies_back

    def staged(self, tile: Tile) -> Tile:
        """A contiguous copy of `tile` in scratch memory."""
        copy = self._temporary(tile)
        self.copy(copy, tile)
        return copy

    def _temporary(self, tile: Tile) -> Tile:
        size = tile.dtype.itemsize
        dims = row_major(tuple(count for _, count in tile.dims), size)
        return Tile(tile.dtype, self.scratch(tile.elements * size), dims, tile.on_chip)

    def _plannable(
        self, operands: Sequence[Walked], written: list[Tile], skip: int, fixed: Sequence[Tile]
    ) -> _Plannable:
        """The operands with as many replaced by contiguous copies as it takes to find a common nest.

        skip   leading dimensions that are not part of the nest
        """
        current = list(operands)
        back: list[tuple[Tile, Tile]] = []
        free = [i for i, o in enumerate(operands) if isinstance(o, Tile) and not any(o is f for f in fixed)]
        order = [i for i in free if not any(operands[i] is w for w in written)]
        order += [i for i in free if any(operands[i] is w for w in written)]
        while plan([o.dims[skip:] for o in current]) is None:
            i = order.pop(0)
            tile = current[i]
            assert isinstance(tile, Tile)
            # An output is copied in as well: the walk may leave some of its elements as they are.
            copy = current[i] = self.staged(tile)
            if any(tile is w for w in written):
                back.append((tile, copy))
        return _Plannable(current, back)

    def _advance(
        self, operands: Sequence[Walked], places: list[ir.Value], strides: Sequence[int], index: ir.Value
    ) -> list[ir.Value]:
        out: list[ir.Value] = []
        for operand, place, stride in zip(operands, places, strides, strict=True):
            if stride == 0:
                out.append(place)
                continue
            distance = self.builder.mul(index, INT64(stride))
            out.append(self.offset(place, distance) if isinstance(operand, Tile) else self.builder.add(place, distance))
        return out

    def _nest(
        self,
        levels: tuple[Level, ...],
        keys: list[Walked],
        operands: list[Walked],
        places: list[ir.Value],
        number: ir.Value | None,
        values: dict[int, ir.Value],
        visit: Callable[[Cursor], None],
        unroll: int,
    ) -> None:
        if len(levels) > 1:
            with self.loop(levels[0].count) as index:
                inner = self._advance(operands, places, levels[0].strides, index)
                self._nest(levels[1:], keys, operands, inner, number, values, visit, unroll)
            return
        count, strides = (levels[0].count, levels[0].strides) if levels else (1, (0,) * len(operands))

        def step(index: ir.Value, active: int, slot: int) -> None:
            cursor = Cursor(self, active, slot, number)
            here = self._advance(operands, places, strides, index)
            for key, place, stride in zip(keys, here, strides, strict=True):
                cursor._places[id(key)] = (place, stride)
            cursor._scalars = values
            visit(cursor)

        full = count // LANES
        passes = full // unroll
        if passes:
            with self.loop(passes * unroll * LANES, step=unroll * LANES) as index:
                for slot in range(unroll):
                    step(self.builder.add(index, INT64(slot * LANES)) if slot else index, LANES, slot)
        for slot, done in enumerate(range(passes * unroll, full)):
            step(INT64(done * LANES), LANES, slot)
        if count % LANES:
            step(INT64(full * LANES), count % LANES, (full - passes * unroll) % unroll)


@dataclass(frozen=True, eq=False)
class _Plannable:
    operands: list[Walked]
    copies_back: list[tuple[Tile, Tile]]


def _count(operand: Walked) -> int:
    return count_of(operand.dims)
