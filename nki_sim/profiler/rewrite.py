"""Rewriting: a program with some tensors, operands or instructions changed, sharing all that stays the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.ir import Instruction, Item, Loop, Operand, Program, TensorDecl

Moved = tuple[TensorDecl, int]
"""Where the elements of a tensor are now: a tensor, and how many bytes of each partition come before them."""

Edits = Mapping[int, Sequence[Instruction]]
"""Flat position -> what takes the instruction's place."""


def rebuild(program: Program, edits: Edits, tensors: list[TensorDecl] | None = None) -> Program:
    """`program` with the instructions at some positions replaced, and another list of tensors."""
    position = -1

    def walk(body: Sequence[Item]) -> list[Item]:
        nonlocal position
        made: list[Item] = []
        for item in body:
            if isinstance(item, Loop):
                made.append(replace(item, body=walk(item.body)))
                continue
            position += 1
            if position in edits:
                made += edits[position]
            else:
                made.append(item)
        return made

    kept = program.tensors if tensors is None else tensors
    return replace(program, body=walk(program.body), tensors=kept)


def new_tensor(tensors: list[TensorDecl], like: TensorDecl, **changes: object) -> TensorDecl:
    """Append a copy of `like` with changes and an index of its own."""
    made = replace(like, index=len(tensors), **changes)  # type: ignore[arg-type]
    tensors.append(made)
    return made


def changed(
    instruction: Instruction,
    *,
    operands: Mapping[str, Operand] | None = None,
    engine: str | None = None,
    attributes: Mapping[str, object] | None = None,
) -> Instruction:
    """A copy of `instruction` with other operands, engine or attributes."""
    return Instruction(
        instruction.op,
        dict(operands if operands is not None else instruction.operands),
        {**instruction.attributes, **(attributes or {})},
        instruction.engine if engine is None else engine,
        instruction.site,
        instruction.label,
    )


def redirect(instruction: Instruction, moved: Mapping[int, Moved]) -> Instruction:
    """`instruction` with its operands on the tensors of `moved` (by tensor index); itself when none is concerned."""
    operands: dict[str, Operand] = {}
    touched = retyped = False
    for name, value in instruction.operands.items():
        if type(value) is AccessPattern:
            found = redirect_pattern(value, moved)
            if found is not value:
                touched = True
                retyped = retyped or found.dtype is not value.dtype
            operands[name] = found
        else:
            operands[name] = value
    if not touched:
        return instruction
    made = changed(instruction, operands=operands)
    if not retyped:
        # Only tensors and offsets differ: still recorded alike, and priced alike.
        made.form = instruction.form
    return made


def redirect_pattern(pattern: AccessPattern, moved: Mapping[int, Moved]) -> AccessPattern:
    """`pattern` on the tensors of `moved`, index tiles included. A tensor's new type is taken over."""
    dynamic, vector = pattern.dynamic, pattern.vector
    if dynamic is not None and isinstance(dynamic.source, AccessPattern):
        dynamic = DynamicOffset(redirect_pattern(dynamic.source, moved), dynamic.multiplier, dynamic.limit)
    if vector is not None:
        vector = VectorOffset(redirect_pattern(vector.index, moved), vector.multiplier, vector.limit)
    found = moved.get(pattern.tensor.index)
    if found is None:
        if dynamic == pattern.dynamic and vector == pattern.vector:
            return pattern
        return pattern.replace(dynamic=dynamic, vector=vector)
    tensor, offset_bytes = found
    dtype = tensor.dtype if pattern.dtype is pattern.tensor.dtype else pattern.dtype
    offset = pattern.offset + offset_bytes // dtype.itemsize
    return AccessPattern(tensor, dtype, pattern.partition, offset, pattern.dims, dynamic, vector)


def is_whole(pattern: AccessPattern) -> bool:
    """Whether a static on-chip pattern is its tensor, element by element in order."""
    tensor = pattern.tensor
    if pattern.partition != (0, 1, tensor.partitions) or pattern.offset or pattern.is_dynamic:
        return False
    expected = 1
    for stride, count in reversed(pattern.dims):
        if count != 1 and stride != expected:
            return False
        expected *= count
    return expected == tensor.free_elements and pattern.dtype is tensor.dtype


def redirections(
    instructions: Sequence[Instruction], positions: Iterable[int], moved: Mapping[int, Moved]
) -> dict[int, Sequence[Instruction]]:
    """Edits that redirect the instructions at `positions`."""
    return {position: (redirect(instructions[position], moved),) for position in positions}
