"""Programs as readable assembly; golden tests hold this text.

    %3 = sbuf float32[128, 512] "a_tile"                                  ; kernel.py:12
    dma_copy dst=%3[0:128][512x1] src=%0[65536+ 128x1024 512x1]           ; kernel.py:13

On chip a pattern reads ``%tensor[partitions][free dims]``, in HBM ``%tensor[dims]``. A dim is ``count x stride``; an
offset other than 0 stands before the dims as ``offset+``; a dtype other than the tensor's follows as ``:dtype``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Item, Loop, Operand, Program, Register, TensorDecl

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMENT_COLUMN = 88


def format_pattern(pattern: AccessPattern) -> str:
    """One operand pattern."""
    dims = " ".join(f"{count}x{stride}" for stride, count in pattern.dims) or "1"
    offset = f"{pattern.offset}+ " if pattern.offset else ""
    if pattern.dynamic is not None:
        source = pattern.dynamic.source
        name = repr(source) if isinstance(source, Register) else f"({format_pattern(source)})"
        offset += f"{name}*{pattern.dynamic.multiplier}+ "
    if pattern.vector is not None:
        offset += f"rows({format_pattern(pattern.vector.index)})*{pattern.vector.multiplier}+ "
    text = f"%{pattern.tensor.index}"
    if pattern.partition is not None:
        start, step, count = pattern.partition
        stop = start + step * count if step else start + 1
        text += f"[{start}:{stop}" + (f":{step}" if step != 1 else "") + (f" x{count}" if step == 0 else "") + "]"
    text += f"[{offset}{dims}]"
    if pattern.dtype is not pattern.tensor.dtype:
        text += f":{pattern.dtype}"
    return text


def format_operand(operand: Operand) -> str:
    if isinstance(operand, AccessPattern):
        return format_pattern(operand)
    return repr(operand)


def format_instruction(instruction: Instruction) -> str:
    """``op operands {attributes} @engine``, absent operands and attributes that are None left out."""
    parts = [instruction.op]
    parts += [f"{name}={format_operand(value)}" for name, value in instruction.operands.items() if value is not None]
    attributes = [f"{name}={value}" for name, value in instruction.attributes.items() if value is not None]
    if attributes:
        parts.append("{" + ", ".join(attributes) + "}")
    parts.append(f"@{instruction.engine}")
    return " ".join(parts)


def format_tensor(tensor: TensorDecl) -> str:
    text = f"%{tensor.index} = {tensor.buffer} {tensor.dtype}[{', '.join(map(str, tensor.shape))}]"
    if tensor.name:
        text += f' "{tensor.name}"'
    if tensor.role != "local":
        text += f" {tensor.role}"
    if tensor.address is not None:
        text += f" at partition {tensor.address[0]} byte {tensor.address[1]}"
    return text


def format_program(program: Program) -> str:
    """The whole program: tensors first, then instructions, each with the line it came from."""
    lines = [f"program {program.name} target {program.target}"]
    lines += [_commented(program, "  " + format_tensor(t), t.site) for t in program.tensors]
    lines += list(_format_body(program, program.body, 1))
    if program.outputs:
        lines.append("  return " + " ".join(f"%{t.index}" for t in program.outputs))
    return "\n".join(lines)


def _format_body(program: Program, body: list[Item], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for item in body:
        if isinstance(item, Loop):
            if item.condition is not None:
                head = f"while {item.condition!r}"
            else:
                head = f"loop {item.register!r} = {item.start!r} to {item.stop!r} step {item.step!r}"
            yield _commented(program, f"{indent}{head} {{", item.site)
            yield from _format_body(program, item.body, depth + 1)
            yield f"{indent}}}"
        else:
            yield _commented(program, indent + format_instruction(item), item.site)


def _commented(program: Program, text: str, site: int) -> str:
    spans = program.spans(site)
    if not spans:
        return text
    span = spans[0]
    return f"{text:<{_COMMENT_COLUMN}}  ; {span.file.rsplit('/', 1)[-1]}:{span.line}"
