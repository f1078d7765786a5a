"""What stops a run that would never stop by itself."""

from __future__ import annotations

from nki_sim.diagnostics.model import Diagnostic, KernelError
from nki_sim.program.ir import Loop, Program

MAX_PASSES = 1 << 24
"""Passes of one device loop after which a run is given up. A choice of nki_sim's; the device would go on."""


def endless_loop(program: Program, loop: Loop) -> KernelError:
    """The error for a loop that has made more than MAX_PASSES passes."""
    what = "while" if loop.condition is not None else "counted"
    return KernelError(
        [
            Diagnostic(
                code="endless-loop",
                message=f"the {what} loop has made {MAX_PASSES:,} passes and is given up",
                spans=program.spans(loop.site),
                facts=("a device loop repeats while its register is not zero (nki-language-guide.rst)",),
                fix="change the register in the body: nisa.register_load(register, tensor)",
            )
        ]
    )
