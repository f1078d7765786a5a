"""Lowering: how an instruction becomes code, and what the table builder has to know about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nki_sim.engines.jit.context import Context

FAMILIES = ("dma", "matmul", "elementwise", "reduction", "activation", "selection", "scan", "shuffle", "control")

Prepare = Callable[[dict[str, Any], dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]]

# Attributes that say where or how fast an instruction runs, never what it computes.
NO_EFFECT = frozenset({
    "engine", "priority", "dge_mode", "is_stationary_onezero", "is_moving_onezero", "tile_position", "tile_size",
    "print_prefix",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """emit         writes the function's body
    outputs      operands that are written
    elementwise  element i of each output depends only on elements i of the inputs (and on (P, 1) operands), and the
                 body walks them together: an input with the very pattern of an output may then be read in place
    in_place     operands that may overlap an output in any way, because the body reads what it needs first
    runtime      attributes that are numbers and are passed as arguments: ctx.immediate(name), ctx.integer(name)
    uses_engine  put the executing engine into ctx.attributes["engine"]
    prepare      changes (operands, attributes) before the signature is made, for instance to pass bits instead of a
                 value
    """

    emit: Callable[[Context], None]
    outputs: tuple[str, ...] = ("dst",)
    elementwise: bool = False
    in_place: tuple[str, ...] = ()
    runtime: tuple[str, ...] = ()
    uses_engine: bool = False
    ignored: frozenset[str] = field(default=NO_EFFECT)
    prepare: Prepare | None = None


@cache
def lowerings() -> Mapping[str, Lowering]:
    """Every instruction that can be compiled, by name."""
    found: dict[str, Lowering] = {}
    for family in FAMILIES:
        name = f"nki_sim.instructions.{family}.lowering"
        if find_spec(name) is None:
            continue
        for op, entry in import_module(name).LOWERING.items():
            found[op] = entry if isinstance(entry, Lowering) else Lowering(emit=entry)
    return found
