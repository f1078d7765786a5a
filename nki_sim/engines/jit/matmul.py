"""The matrix product as an outer-product micro-kernel, and the blocked transpose of bits.

Tiles arrive as the PE array wants them, K-major: stationary[K, M] and moving[K, N]. `rows` x `vectors` partial sums
stay in registers while k runs; each k costs `vectors` loads and `rows` broadcasts for `rows * vectors` fused
multiply-adds.

Operands are first copied as fp32 into panels: the host's partitions lie nearly 200 kB apart, so that every k would
touch two pages of its own, and a panel also takes care of data types, strides and the last, partial vector.
Stationary is copied once, moving one panel of `vectors` vectors at a time (it stays in the first-level cache while
all rows of the result are worked out).

Order of summation: k ascending from 0, every step fused, starting from +0; then the previous contents of PSUM are
added. The result does not depend on the host's vector width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from nki_sim.engines.jit import types
from nki_sim.engines.jit.context import Context, Tile
from nki_sim.engines.jit.host import Host, host
from nki_sim.engines.jit.layout import Dims
from nki_sim.engines.jit.loops import LANES
from nki_sim.engines.jit.types import FLOAT, INT32, INT64
from nki_sim.program.dtypes import DType, tfloat32

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Blocking:
    """The block of the result kept in registers: `rows` x `vectors` vectors of `lanes` floats.

    unroll   steps of k per pass of the loop
    """

    rows: int
    vectors: int
    lanes: int
    unroll: int = 2

    @property
    def columns(self) -> int:
        return self.vectors * self.lanes


def blocking_for(machine: Host) -> Blocking:
    """A block that fills the register file: 32 vector registers with AVX-512 and on ARM, 16 elsewhere."""
    if machine.avx512:
        return Blocking(rows=8, vectors=2, lanes=16)
    if machine.triple.startswith(("aarch64", "arm64")):
        return Blocking(rows=6, vectors=4, lanes=4)
    return Blocking(rows=6, vectors=2, lanes=8 if machine.fma else 4)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of elements in memory, of a tile or a panel. Strides in bytes."""

    pointer: ir.Value
    dtype: DType
    rows: int
    row_stride: int
    columns: int
    column_stride: int

    @property
    def unit(self) -> bool:
        """Whether the elements of a row are neighbours."""
        return self.column_stride == self.dtype.itemsize or self.columns == 1


def matrix_of(tile: Tile, free: Dims | None = None, pointer: ir.Value | None = None) -> Matrix | None:
    """An on-chip tile as a matrix, its free dimensions flattened; None when they have no common stride."""
    dims = [(stride, count) for stride, count in (tile.free if free is None else free) if count != 1]
    columns, stride = 1, tile.dtype.itemsize
    if dims:
        stride = dims[-1][0]
        for outer, count in reversed(dims):
            if outer != stride * columns:
                return None
            columns *= count
    start = tile.pointer if pointer is None else pointer
    return Matrix(start, tile.dtype, tile.partitions, tile.partition_stride_bytes, columns, stride)


def _load_floats(ctx: Context, matrix: Matrix, place: ir.Value, count: int) -> ir.Value:
    """`count` elements from `place` as <16 x float>; zeros behind them."""
    bits = ctx.load_bits(place, matrix.dtype.itemsize, matrix.column_stride, count)
    if matrix.dtype is tfloat32:
        # Bytes written under another type may carry more mantissa bits than the PE array takes in.
        bits = types.narrow(ctx.builder, types.widen(ctx.builder, bits, matrix.dtype), tfloat32)
    return types.widen(ctx.builder, bits, matrix.dtype)


def _pack(
    ctx: Context, matrix: Matrix, first_column: ir.Value, columns: int, panel: ir.Value, panel_stride: int
) -> None:
    """`columns` columns of every row, from `first_column` on, as fp32 rows of `panel`; zeros up to whole vectors."""
    builder = ctx.builder
    start = ctx.offset(matrix.pointer, builder.mul(first_column, INT64(matrix.column_stride)))
    with ctx.loop(matrix.rows) as k:
        source = ctx.offset(start, builder.mul(k, INT64(matrix.row_stride)))
        target = ctx.offset(panel, builder.mul(k, INT64(panel_stride)))
        for done in range(0, columns, LANES):
            place = ctx.offset(source, INT64(done * matrix.column_stride)) if done else source
            values = _load_floats(ctx, matrix, place, min(LANES, columns - done))
            builder.store(values, ctx.offset(target, INT64(done * FLOAT_BYTES)), align=FLOAT_BYTES)


def _block(
    ctx: Context,
    stationary: ir.Value,
    stationary_stride: int,
    moving: ir.Value,
    moving_stride: int,
    depth: int,
    block: Blocking,
) -> list[list[ir.Value]]:
    """Emit the sums over k of one block: vectors [row][vector]. The pointers are at k = 0 and the block's corner."""
    builder = ctx.builder
    vector = ir.VectorType(FLOAT, block.lanes)
    fma = types.intrinsic(builder, f"llvm.fma.v{block.lanes}f32", vector, [vector] * 3)
    zero = types.constant(vector, 0.0)
    sums = [[zero] * block.vectors for _ in range(block.rows)]

    def step(k: ir.Value, sums: list[list[ir.Value]]) -> list[list[ir.Value]]:
        weights = ctx.offset(stationary, builder.mul(k, INT64(stationary_stride)))
        inputs = ctx.offset(moving, builder.mul(k, INT64(moving_stride)))
        columns = [
            builder.load(ctx.offset(inputs, INT64(v * block.lanes * FLOAT_BYTES)), typ=vector, align=FLOAT_BYTES)
            for v in range(block.vectors)
        ]
        out: list[list[ir.Value]] = []
        for row in range(block.rows):
            weight = builder.load(ctx.offset(weights, INT64(row * FLOAT_BYTES)), typ=FLOAT, align=FLOAT_BYTES)
            spread = types.splat(builder, weight, block.lanes)
            out.append([builder.call(fma, [spread, column, sums[row][v]]) for v, column in enumerate(columns)])
        return out

    passes = depth // block.unroll
    if passes > 1:
        before = builder.block
        head = ctx.function.append_basic_block("product")
        after = ctx.function.append_basic_block("summed")
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(INT64)
        k.add_incoming(INT64(0), before)
        phis = [[builder.phi(vector) for _ in row] for row in sums]
        current: list[list[ir.Value]] = phis
        for i in range(block.unroll):
            current = step(builder.add(k, INT64(i)) if i else k, current)
        following = builder.add(k, INT64(block.unroll))
        k.add_incoming(following, head)
        for phi_row, row in zip(phis, current, strict=True):
            for phi, value in zip(phi_row, row, strict=True):
                phi.add_incoming(zero, before)
                phi.add_incoming(value, head)
        builder.cbranch(builder.icmp_signed("<", following, INT64(passes * block.unroll)), head, after)
        builder.position_at_end(after)
        sums = current
    for number in range(passes * block.unroll if passes > 1 else 0, depth):
        sums = step(INT64(number), sums)
    return sums


def _store_row(
    ctx: Context, place: ir.Value, values: Sequence[ir.Value], columns: int, lanes: int, accumulate: bool
) -> None:
    """Write (or add) the first `columns` floats of `values` to consecutive floats at `place`."""
    builder = ctx.builder
    for v, value in enumerate(values):
        count = min(lanes, columns - v * lanes)
        here = ctx.offset(place, INT64(v * lanes * FLOAT_BYTES)) if v else place
        if count == lanes:
            if accumulate:
                value = builder.fadd(builder.load(here, typ=value.type, align=FLOAT_BYTES), value)
            builder.store(value, here, align=FLOAT_BYTES)
            continue
        for lane in range(count):
            cell = ctx.offset(here, INT64(lane * FLOAT_BYTES))
            one: ir.Value = builder.extract_element(value, INT32(lane))
            if accumulate:
                one = builder.fadd(builder.load(cell, typ=FLOAT, align=FLOAT_BYTES), one)
            builder.store(one, cell, align=FLOAT_BYTES)


def multiply(
    ctx: Context,
    stationary: Sequence[Matrix],
    moving: Sequence[Matrix],
    result: Matrix,
    accumulate: bool,
    block: Blocking | None = None,
) -> None:
    """result[M, N] (fp32, unit columns) = or += the sum over the pairs of stationary[K, M].T @ moving[K, N].

    Several pairs make a longer contraction: all rows of the first pair come first.
    """
    block = blocking_for(host()) if block is None else block
    builder = ctx.builder
    depth = sum(matrix.rows for matrix in stationary)
    m, n = result.rows, result.columns
    weights_stride = -(-m // LANES) * LANES * FLOAT_BYTES
    weights = ctx.scratch(depth * weights_stride)
    # Whole vectors of `_pack` have LANES floats, which may be more than a narrow block has columns.
    panel_stride = -(-min(block.columns, n) // LANES) * LANES * FLOAT_BYTES
    panel = ctx.scratch(depth * panel_stride)

    def pack(matrices: Sequence[Matrix], first: ir.Value, columns: int, target: ir.Value, stride: int) -> None:
        done = 0
        for matrix in matrices:
            _pack(ctx, matrix, first, columns, ctx.offset(target, INT64(done * stride)), stride)
            done += matrix.rows

    pack(stationary, INT64(0), m, weights, weights_stride)

    def column_block(first: ir.Value, columns: int) -> None:
        pack(moving, first, columns, panel, panel_stride)
        vectors = -(-columns // block.lanes)
        corner = ctx.offset(result.pointer, builder.mul(first, INT64(FLOAT_BYTES)))

        def row_block(row: ir.Value, rows: int) -> None:
            shape = Blocking(rows=rows, vectors=vectors, lanes=block.lanes, unroll=block.unroll)
            top = ctx.offset(weights, builder.mul(row, INT64(FLOAT_BYTES)))
            sums = _block(ctx, top, weights_stride, panel, panel_stride, depth, shape)
            place = ctx.offset(corner, builder.mul(row, INT64(result.row_stride)))
            for i, values in enumerate(sums):
                here = ctx.offset(place, INT64(i * result.row_stride)) if i else place
                _store_row(ctx, here, values, columns, block.lanes, accumulate)

        _in_blocks(ctx, m, block.rows, row_block)

    _in_blocks(ctx, n, block.columns, column_block)


def _in_blocks(ctx: Context, total: int, size: int, emit: Callable[[ir.Value, int], None]) -> None:
    """Call emit(first, count) for blocks of `size`, as a loop, and for the rest."""
    full = total // size * size
    if full:
        with ctx.loop(full, step=size) as first:
            emit(first, size)
    if total > full:
        emit(INT64(full), total - full)


# --- transpose --------------------------------------------------------------------------------------------------------


def _interleaved(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """The transpose of 16 vectors of 16: in four rounds, vectors i and i + 8 are merged element by element."""
    low = ir.Constant(ir.VectorType(INT32, LANES), [i // 2 + LANES * (i % 2) for i in range(LANES)])
    high = ir.Constant(ir.VectorType(INT32, LANES), [LANES // 2 + i // 2 + LANES * (i % 2) for i in range(LANES)])
    half = LANES // 2
    for _ in range(4):
        pairs = [(rows[i], rows[i + half]) for i in range(half)]
        rows = [builder.shuffle_vector(a, b, order) for a, b in pairs for order in (low, high)]
    return rows


def transpose(ctx: Context, source: Matrix, target: Matrix, rows: Callable[[ir.Value], ir.Value] | None = None) -> None:
    """target[c, r] = source[r, c], the bits as they are, or zero-extended when the target's elements are wider.

    rows   maps a row number of the target's columns to the row of `source` to take (i64 to i64); None takes them in
    order
    """
    builder = ctx.builder
    wider = target.dtype.itemsize > source.dtype.itemsize
    wide = ir.VectorType(ir.IntType(8 * target.dtype.itemsize), LANES)

    def row_block(first_row: ir.Value, row_count: int) -> None:
        numbers = [builder.add(first_row, INT64(i)) for i in range(row_count)]
        if rows is not None:
            numbers = [rows(number) for number in numbers]
        starts = [ctx.offset(source.pointer, builder.mul(number, INT64(source.row_stride))) for number in numbers]

        def column_block(first_column: ir.Value, column_count: int) -> None:
            distance = builder.mul(first_column, INT64(source.column_stride))
            vectors = [
                ctx.load_bits(ctx.offset(start, distance), source.dtype.itemsize, source.column_stride, column_count)
                for start in starts
            ]
            zero = ir.Constant(vectors[0].type, None)
            turned = _interleaved(builder, vectors + [zero] * (LANES - row_count))
            corner = ctx.offset(target.pointer, builder.mul(first_row, INT64(target.column_stride)))
            for i in range(column_count):
                bits = builder.zext(turned[i], wide) if wider else turned[i]
                row = builder.mul(builder.add(first_column, INT64(i)), INT64(target.row_stride))
                ctx.store_bits(ctx.offset(corner, row), bits, target.column_stride, row_count)

        _in_blocks(ctx, source.columns, LANES, column_block)

    _in_blocks(ctx, target.columns, LANES, row_block)
