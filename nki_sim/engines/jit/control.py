"""Loops in the table: the rows that enter, repeat and leave a region, and the runner that walks the rows.

A counted loop is a row `loop.enter` before its body and a row `loop.next` after it; a conditional one a row
`loop.test` before and a row `jump` after. Counters and limits live in hidden registers behind the program's own, so
that the body cannot disturb them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from llvmlite import ir

from nki_sim.engines.jit.types import INT32, INT64, POINTER

if TYPE_CHECKING:
    from nki_sim.engines.jit.context import Context

# A power of two: a few milliseconds of the shortest loops.
PASSES_PER_PAUSE = 1 << 20


def _trip(ctx: Context) -> None:
    """Count one pass of the loop whose number is the argument `loop`."""
    from nki_sim.engines.jit.context import STATE

    state = ctx.base(STATE)
    cell = ctx.builder.gep(state, [ctx.builder.add(ctx.integer("loop"), INT64(1))], source_etype=INT64)
    ctx.builder.store(ctx.builder.add(ctx.builder.load(cell, typ=INT64), INT64(1)), cell)


def _number(ctx: Context, name: str) -> ir.Value:
    """A bound: an immediate or a register's signed value."""
    if ctx.is_register(name):
        return ctx.builder.sext(ctx.builder.load(ctx.register(name), typ=INT32), INT64)
    return ctx.integer(name)


def _hidden(ctx: Context, place: int) -> ir.Value:
    """Hidden 64-bit cell: 0 the counter, 1 the limit."""
    from nki_sim.engines.jit.context import STATE

    index = ctx.builder.add(ctx.integer("cells"), INT64(place))
    return ctx.builder.gep(ctx.base(STATE), [index], source_etype=INT64)


def _go_on(ctx: Context, value: ir.Value, limit: ir.Value) -> ir.Value:
    step = ctx.integer("step")
    up = ctx.builder.icmp_signed("<", value, limit)
    down = ctx.builder.icmp_signed(">", value, limit)
    return ctx.builder.select(ctx.builder.icmp_signed(">", step, INT64(0)), up, down)


def _set_counter(ctx: Context, value: ir.Value) -> None:
    ctx.builder.store(value, _hidden(ctx, 0))
    if ctx.is_register("register"):
        ctx.builder.store(ctx.builder.trunc(value, INT32), ctx.register("register"))


def _pause(ctx: Context) -> None:
    """Once in a long while, go back to Python at this row: there an interrupt is seen, and a loop without end."""
    from nki_sim.engines.jit.context import STATE, STOP_PAUSE

    cell = ctx.base(STATE)
    ticks = ctx.builder.add(ctx.builder.load(cell, typ=INT64), INT64(1))
    ctx.builder.store(ticks, cell)
    with ctx.unlikely(ctx.builder.icmp_signed("==", ctx.builder.and_(ticks, INT64(PASSES_PER_PAUSE - 1)), INT64(0))):
        ctx.stop(STOP_PAUSE)


def loop_enter(ctx: Context) -> None:
    start, stop = _number(ctx, "start"), _number(ctx, "stop")
    with ctx.unlikely(ctx.builder.not_(_go_on(ctx, start, stop))):
        ctx.builder.ret(ctx.integer("exit"))
    ctx.builder.store(stop, _hidden(ctx, 1))
    _set_counter(ctx, start)
    _trip(ctx)


def loop_next(ctx: Context) -> None:
    _pause(ctx)
    value = ctx.builder.add(ctx.builder.load(_hidden(ctx, 0), typ=INT64), ctx.integer("step"))
    with ctx.unlikely(_go_on(ctx, value, ctx.builder.load(_hidden(ctx, 1), typ=INT64))):
        _set_counter(ctx, value)
        _trip(ctx)
        ctx.builder.ret(ctx.integer("body"))


def loop_test(ctx: Context) -> None:
    _pause(ctx)
    value = ctx.builder.load(ctx.register("condition"), typ=INT32)
    with ctx.unlikely(ctx.builder.icmp_signed("==", value, INT32(0))):
        ctx.builder.ret(ctx.integer("exit"))
    _trip(ctx)


def jump(ctx: Context) -> None:
    ctx.builder.ret(ctx.integer("target"))


def undefined(ctx: Context) -> None:
    """A register is about to be read that nothing has written."""
    from nki_sim.engines.jit.context import STOP_UNDEFINED

    ctx.stop(STOP_UNDEFINED)


def run(ctx: Context) -> None:
    """``i64 run(bases, table, pc)``: walk the table from `pc` until a function stops or pc reaches the end.

    The table is i64: number of rows, then address and argument offset (in i64, from the table's start) per row.
    """
    builder = ctx.builder
    table = ctx.args
    end = builder.load(table, typ=INT64)
    before = builder.block
    head, body, done = (ctx.function.append_basic_block(name) for name in ("head", "row", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    pc = builder.phi(INT64)
    pc.add_incoming(ctx.pc, before)
    # Unsigned: a negative pc, the sign of a stop, is beyond the end too.
    builder.cbranch(builder.icmp_unsigned("<", pc, end), body, done)
    builder.position_at_end(body)
    row = builder.gep(table, [builder.add(builder.shl(pc, INT64(1)), INT64(1))], source_etype=INT64)
    # llvmlite wants a pointer type that knows its function type, although LLVM's pointers know nothing.
    kind = ir.FunctionType(INT64, [POINTER, POINTER, INT64])
    address = builder.inttoptr(builder.load(row, typ=INT64), kind.as_pointer())
    offset = builder.load(builder.gep(row, [INT64(1)], source_etype=INT64), typ=INT64)
    arguments = builder.gep(table, [offset], source_etype=INT64)
    following = builder.call(address, [ctx.bases, arguments, pc])
    pc.add_incoming(following, body)
    builder.branch(head)
    builder.position_at_end(done)
    builder.ret(pc)


BUILTINS: Mapping[str, Callable[[Context], None]] = {
    "loop.enter": loop_enter,
    "loop.next": loop_next,
    "loop.test": loop_test,
    "jump": jump,
    "undefined": undefined,
    "run": run,
}
