"""Compiled form of register_move, register_load, register_store and device_print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nki_sim.diagnostics.model import Diagnostic, UndocumentedBehaviour
from nki_sim.engines.jit.context import STOP_PRINT, Context
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.types import INT32, bits_of


def register_move(ctx: Context) -> None:
    builder = ctx.builder
    if ctx.is_register("src"):
        value = builder.load(ctx.register("src"), typ=INT32)
    else:
        value = builder.trunc(ctx.integer("src"), INT32)
    builder.store(value, ctx.register("dst"))


def register_load(ctx: Context) -> None:
    src = ctx.tile("src")
    value = ctx.load_index(src.pointer, src.dtype)
    ctx.builder.store(ctx.builder.trunc(value, INT32), ctx.register("dst"))


def register_store(ctx: Context) -> None:
    dst = ctx.tile("dst")
    value = ctx.builder.load(ctx.register("src"), typ=INT32)
    bits = value if dst.dtype.itemsize == 4 else ctx.builder.trunc(value, bits_of(dst.dtype))
    ctx.builder.store(bits, dst.pointer, align=1)


def device_print(ctx: Context) -> None:
    """The runner makes the text: see engines/jit/inspect.py."""
    ctx.stop(STOP_PRINT)


def _integers_only(name: str) -> Any:
    def prepare(operands: dict[str, Any], attributes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        if operands[name].dtype.is_float:
            op, what = ("register_load", "a float becomes a register value")
            if name == "dst":
                op, what = ("register_store", "a register value becomes a float")
            message = f"{op}: how {what} is not documented"
            raise UndocumentedBehaviour([Diagnostic(code="undocumented", message=message, owner="documents")])
        return operands, attributes

    return prepare


LOWERING: Mapping[str, Lowering] = {
    "register_move": Lowering(emit=register_move),
    "register_load": Lowering(emit=register_load, prepare=_integers_only("src")),
    "register_store": Lowering(emit=register_store, prepare=_integers_only("dst")),
    "device_print": Lowering(emit=device_print, outputs=()),
}
