"""What tensors are called in findings."""

from __future__ import annotations

import re

from nki_sim.program.ir import Program, TensorDecl

_ASSIGNED_TO = re.compile(r"\s*([A-Za-z_]\w*)\s*(?::[^=]*)?=\s*")


def name_of(program: Program, tensor: TensorDecl) -> str:
    """The name the kernel gave the tensor, else the variable it is assigned to, else its number in the program."""
    if tensor.name:
        return f"`{tensor.name}`"
    spans = program.spans(tensor.site)
    if spans and spans[0].column:
        before = spans[0].text[: spans[0].column - 1]
        found = _ASSIGNED_TO.fullmatch(before)
        if found is not None:
            return f"`{found[1]}`"
    return f"%{tensor.index}"


def tensor_text(program: Program, tensor: TensorDecl) -> str:
    """``a_tile [128, 512] bfloat16 in sbuf``."""
    return f"{name_of(program, tensor)} [{', '.join(map(str, tensor.shape))}] {tensor.dtype} in {tensor.space}"
