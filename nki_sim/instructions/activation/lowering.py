"""How activation and activation_reduce become code: one pass over the data.

Order of the sum: every partition keeps `_UNROLL` x 16 partial results (element i goes to number i modulo that, the
last, partial step of a row to the first of them), in double for add and multiply; they are folded in halves and
rounded once. Then the register is combined with the result in fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from llvmlite import ir

from nki_sim.engines.jit import maths, types
from nki_sim.engines.jit.context import Context, Cursor, Row, RowScalar
from nki_sim.engines.jit.layout import TileKey
from nki_sim.engines.jit.loops import LANES
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.operators import Reduction, arithmetic
from nki_sim.engines.jit.types import FLOAT, INT64

_SCALAR_ENGINE = 0
_UNROLL = 4


def _prepare(operands: dict[str, Any], attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Name the command, and the distance between the partitions of `data`, which says which registers they use."""
    command = attributes.get("reduce_cmd") or "idle"
    data = operands["data"]
    step = data.partition[1] if getattr(data, "partition", None) is not None else 1
    used = command != "idle" or operands.get("reduce_res") is not None
    return operands, {**attributes, "reduce_cmd": command, "partition_step": step if used else 0}


def _prepare_reduce(operands: dict[str, Any], attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return _prepare(operands, {**attributes, "reduce_cmd": "reset_reduce"})


def _registers(ctx: Context) -> Callable[[ir.Value], ir.Value]:
    """Partition number within `data` (i64) -> address of its accumulator register."""
    step = ctx.attributes["partition_step"]
    key = dict(ctx.signature.operands)["data"]
    assert isinstance(key, TileKey)
    pitch = key.layout.dims[0][0] // step
    # A register belongs to a physical partition: the one that the tile's offset in its memory falls into.
    first = ctx.builder.udiv(ctx.integer("data"), INT64(pitch))
    base = ctx.builder.gep(ctx.accumulators(_SCALAR_ENGINE), [first], source_etype=FLOAT)

    def register(row: ir.Value) -> ir.Value:
        return ctx.builder.gep(base, [ctx.builder.mul(row, INT64(step))], source_etype=FLOAT)

    return register


def _combined(ctx: Context, op: str, register: ir.Value, row: ir.Value) -> ir.Value:
    """`op` on two fp32 numbers; operators work on vectors."""
    pair = [types.splat(ctx.builder, value, LANES) for value in (register, row)]
    return ctx.builder.extract_element(arithmetic(ctx.builder, op, pair[0], pair[1]), types.INT32(0))


def emit(ctx: Context) -> None:
    """dst = f(data * scale + bias), each step rounded to fp32; then the registers; then reduce_res."""
    builder = ctx.builder
    dst, data = ctx.tile("dst"), ctx.tile("data")
    scale = None if ctx.is_absent("scale") else ctx.row_scalar("scale")
    bias = None if ctx.is_absent("bias") else ctx.row_scalar("bias")
    scalars: list[RowScalar] = [scalar for scalar in (scale, bias) if scalar is not None]
    name = ctx.attributes["op"]
    command = ctx.attributes["reduce_cmd"]
    op = ctx.attributes.get("reduce_op") or "add"
    reduces = command in ("reduce", "reset_reduce")
    reduction = Reduction(op)
    register = _registers(ctx) if ctx.attributes["partition_step"] else None
    if register is not None and command == "reset":
        with ctx.loop(data.partitions) as number:
            builder.store(FLOAT(reduction.fill), register(number))
    partial = [ctx.variable(reduction.start()) for _ in range(_UNROLL)] if reduces else []

    def row_start(row: Row) -> Callable[[], None]:
        for variable in partial:
            variable.set(reduction.start())

        def row_end() -> None:
            assert register is not None
            sums = [variable.get() for variable in partial]
            while len(sums) > 1:
                sums = [reduction.combine(builder, sums[i], sums[i + 1]) for i in range(0, len(sums), 2)]
            total = reduction.result(builder, reduction.fold(builder, sums[0]))
            place = register(row.index)
            old = FLOAT(reduction.fill) if command == "reset_reduce" else builder.load(place, typ=FLOAT)
            builder.store(_combined(ctx, op, old, total), place)

        return row_end

    def visit(cursor: Cursor) -> None:
        value = cursor.load(data)
        if scale is not None:
            value = builder.fmul(value, cursor.value(scale))
        if bias is not None:
            value = builder.fadd(value, cursor.value(bias))
        value = maths.unary(builder, name, value)
        if reduces:
            held = partial[cursor.slot]
            held.set(reduction.take(builder, held.get(), cursor.active(value, reduction.fill)))
        cursor.store(dst, value)

    ctx.walk([dst, data], visit, scalars=scalars, row=row_start if reduces else None, unroll=_UNROLL if reduces else 1)
    if register is not None and not ctx.is_absent("reduce_res"):
        # After all of dst: the two may share bytes, and the documents write dst first.
        result = ctx.tile("reduce_res")
        with ctx.loop(data.partitions) as number:
            value = builder.load(register(number), typ=FLOAT)
            Row(ctx, number).store_scalar(result, value)


_OUTPUTS = ("dst", "reduce_res")

LOWERING: Mapping[str, Lowering] = MappingProxyType(
    {
        "activation": Lowering(emit=emit, outputs=_OUTPUTS, elementwise=True, prepare=_prepare),
        "activation_reduce": Lowering(emit=emit, outputs=_OUTPUTS, elementwise=True, prepare=_prepare_reduce),
    }
)
