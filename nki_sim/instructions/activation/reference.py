"""Reference meaning of activation and activation_reduce."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from nki_sim.instructions.activations import FUNCTIONS, activate
from nki_sim.instructions.call import Float32, Reference, ReferenceCall
from nki_sim.instructions.operators import arithmetic, reduce_float

# What an accumulator holds after a reset, so that reducing into it gives the reduction alone. For add the page of
# nki.isa.activation says zero; the others follow from the meaning of the operator.
_IDENTITY: Mapping[str, float] = MappingProxyType({"add": 0.0, "maximum": -np.inf, "minimum": np.inf, "multiply": 1.0})


def _activated(call: ReferenceCall) -> Float32:
    """f(data * scale + bias), rounded to float32 after each of the three steps."""
    value = call.read_f32("data")
    if call.operand("scale") is not None:
        value = arithmetic("multiply", value, call.scalar_or_tile("scale"))
    if call.operand("bias") is not None:
        value = arithmetic("add", value, call.scalar_or_tile("bias"))
    name = call.attributes["op"]
    if name not in FUNCTIONS:
        call.undocumented(f"{name}: the documents do not say what activation computes for it")
    return activate(name, value)


def _run(call: ReferenceCall, command: str) -> None:
    output = _activated(call)
    call.write("dst", output)
    op = call.attributes.get("reduce_op") or "add"
    if op not in _IDENTITY:
        call.undocumented(f"reduce_op={op}: the documents do not list it for the Scalar Engine's accumulators")
    lanes = call.lanes("data")
    registers = call.accumulators.scalar
    if command in ("reset", "reset_reduce"):
        registers[lanes] = _IDENTITY[op]
    if command in ("reduce", "reset_reduce"):
        row = reduce_float(op, output, tuple(range(1, output.ndim)))
        registers[lanes] = arithmetic(op, registers[lanes], row)
    elif command not in ("idle", "reset"):
        call.undocumented(f"reduce_cmd={command} has no meaning for activation: it has no operand to load from")
    if call.operand("reduce_res") is not None:
        call.write("reduce_res", registers[lanes])


def activation(call: ReferenceCall) -> None:
    """nki.isa.activation: dst = op(data * scale + bias); reduce_cmd steers reduce_regs; reduce_res reads them out.

    The page's pseudo-code adds the old register twice; what its words say is done: the new value is the old one reduced
    with the row. dst is written before reduce_res.
    """
    _run(call, call.attributes.get("reduce_cmd") or "idle")


def activation_reduce(call: ReferenceCall) -> None:
    """nki.isa.activation_reduce: activation with reduce_cmd reset_reduce."""
    _run(call, "reset_reduce")


REFERENCE: Mapping[str, Reference] = MappingProxyType(
    {
        "activation": activation,
        "activation_reduce": activation_reduce,
    }
)
