"""Reference meaning of register_move, register_load, register_store and device_print."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from nki_sim.instructions.call import Reference, ReferenceCall, printed
from nki_sim.program.ir import Register


def _register(call: ReferenceCall, name: str) -> Register:
    register = call.operand(name)
    assert isinstance(register, Register)
    return register


def register_move(call: ReferenceCall) -> None:
    """nki.isa.register_move: a constant or another register's value."""
    source = call.operand("src")
    assert isinstance(source, Register | int)
    call.registers[_register(call, "dst")] = call.registers[source] if isinstance(source, Register) else source


def register_load(call: ReferenceCall) -> None:
    """nki.isa.register_load: one integer element, extended to 32 bits by its type; uint32 keeps its bits."""
    if call.dtype("src").is_float:
        call.undocumented("register_load: how a float becomes a register value is not documented")
    call.registers[_register(call, "dst")] = int(call.read("src").reshape(-1)[0])


def register_store(call: ReferenceCall) -> None:
    """nki.isa.register_store: the register's low bits as the integer type of dst."""
    target = call.dtype("dst")
    if target.is_float:
        call.undocumented("register_store: how a register value becomes a float is not documented")
    value = call.registers[_register(call, "src")] & (2 ** (8 * target.itemsize) - 1)
    call.write_raw("dst", np.full(call.shape("dst"), value, f"u{target.itemsize}").view(target.storage))


def device_print(call: ReferenceCall) -> None:
    """nki.language.device_print: the prefix and the value of the tile."""
    call.print(printed(str(call.attributes.get("print_prefix") or ""), call.read("tensor")))


REFERENCE: Mapping[str, Reference] = MappingProxyType(
    {
        "register_move": register_move,
        "register_load": register_load,
        "register_store": register_store,
        "device_print": device_print,
    }
)
