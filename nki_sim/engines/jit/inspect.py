"""What needs NumPy rather than machine code: the text of device_print, and the errors of a run that stopped."""

from __future__ import annotations

from nki_sim.diagnostics.model import BoundsError, Diagnostic, UninitialisedError
from nki_sim.engines.jit.table import Fault
from nki_sim.instructions.call import printed
from nki_sim.memory.storage import Memory, UndefinedRegisterError
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program


def bounds_error(program: Program, instruction: Instruction, memory: Memory) -> BoundsError:
    """The error for the run-time addresses of `instruction` that leave their tensors."""
    from nki_sim.engines import reference

    events = []
    for name, operand in instruction.operands.items():
        if isinstance(operand, AccessPattern):
            events += [(name, event) for event in memory.resolve(operand).violations]
    return reference.bounds_error(program, instruction, events)


def undefined_register(program: Program, fault: Fault) -> UninitialisedError:
    """The error for a register that is read before anything is written to it."""
    return UninitialisedError(
        [
            Diagnostic(
                code="uninitialised",
                message=f"{fault.what}: {UndefinedRegisterError(fault.register)}",
                spans=program.spans(fault.site),
                fix="give the register a value with register_move or register_load first",
            )
        ]
    )


def print_text(instruction: Instruction, memory: Memory) -> str:
    """The line of a device_print."""
    pattern = instruction.operands["tensor"]
    assert isinstance(pattern, AccessPattern)
    return printed(str(instruction.attributes.get("print_prefix") or ""), memory.read(pattern))
