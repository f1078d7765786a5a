"""Words for findings: tensors, patterns and positions as the reader knows them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nki_sim.memory.wording import name_of, tensor_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Program, TensorDecl
from nki_sim.program.spans import SourceSpan

__all__ = ["allocated_here", "first_index", "name_of", "operand_text", "tensor_text"]


def operand_text(program: Program, pattern: AccessPattern) -> str:
    """``[128, 256] bfloat16 of `lhs` in sbuf, allocated at line 24``."""
    shape = ", ".join(map(str, pattern.shape))
    text = f"[{shape}] {pattern.dtype} of {name_of(program, pattern.tensor)} in {pattern.tensor.space}"
    spans = program.spans(pattern.tensor.site)
    return f"{text}, allocated at line {spans[0].line}" if spans else text


def allocated_here(program: Program, tensor: TensorDecl) -> tuple[tuple[SourceSpan, str], ...]:
    """The allocation of `tensor` as a related place; empty when its source is not known."""
    spans = program.spans(tensor.site)
    return ((spans[0], f"{tensor_text(program, tensor)} is allocated here"),) if spans else ()


def first_index(mask: npt.NDArray[np.bool_]) -> str:
    """``[0, 128]``: the index of the first true element."""
    flat = int(np.argmax(mask))
    return "[" + ", ".join(str(int(i)) for i in np.unravel_index(flat, mask.shape)) + "]"
