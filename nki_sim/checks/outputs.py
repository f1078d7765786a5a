"""Outputs the kernel never wrote, or wrote only in part."""

from __future__ import annotations

import numpy as np

from nki_sim.checks.definedness import NEVER_WRITTEN, Definedness, caller_shape
from nki_sim.checks.describe import first_index, name_of
from nki_sim.diagnostics.model import Diagnostic
from nki_sim.memory.accesses import FlatProgram


def check_outputs(flat: FlatProgram, definedness: Definedness) -> list[Diagnostic]:
    """One error per returned tensor with elements that no instruction writes.

    An argument that is returned as it came is fine: it was never undefined. Undefined bytes that *were* written are
    `definedness`'s finding.
    """
    found: list[Diagnostic] = []
    program = flat.program
    for pattern in list(program.results) or [t.whole() for t in program.outputs]:
        tensor = pattern.tensor
        cells, row, byte = definedness.places[tensor.index]
        if not cells.nonzero or not (cells.view(pattern, row, byte) == NEVER_WRITTEN).any():
            continue
        missing = (cells.elements(pattern, row, byte) == NEVER_WRITTEN).any(axis=-1)
        count = int(np.count_nonzero(missing))
        if not count:
            continue
        seen = caller_shape(pattern)
        shape = ", ".join(map(str, seen))
        name = name_of(program, tensor)
        if count == missing.size:
            message = f"output {name} [{shape}] {tensor.dtype} is never written"
            fix = "copy the result to it (nisa.dma_copy from SBUF to HBM) before the kernel returns it"
        else:
            place = first_index(missing.reshape(seen))
            message = (
                f"output {name} [{shape}] {tensor.dtype} is written only in part: {count} of {missing.size} elements "
                f"are not, the first at {place}"
            )
            fix = "write the rest too, or return a tensor of the size that is written"
        found.append(
            Diagnostic(
                code="output",
                message=message,
                spans=program.spans(tensor.site),
                label="allocated here and returned",
                facts=("an HBM tensor holds undefined bytes until it is written (nki-language-guide.rst)",),
                fix=fix,
            )
        )
    return found
