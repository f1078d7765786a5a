"""Rewriting: a program with some tensors, operands or instructions changed, sharing all that stays the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nki_sim.memory.accesses import split
from nki_sim.memory.bytemap import ByteMap
from nki_sim.memory.regions import reach
from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.ir import Instruction, Item, Loop, Operand, Program, TensorDecl

Moved = tuple[TensorDecl, int]
"""Where the elements of a tensor are now: a tensor, and how many bytes of each partition come before them."""

Change = Callable[[int, Instruction], Sequence[Instruction]]
"""(flat position, instruction) -> what takes its place."""


def rebuild(program: Program, change: Change, tensors: list[TensorDecl] | None = None) -> Program:
    """`program` with every instruction replaced by what `change` gives for it, and another list of tensors."""
    position = -1

    def walk(body: Sequence[Item]) -> list[Item]:
        nonlocal position
        made: list[Item] = []
        for item in body:
            if isinstance(item, Loop):
                made.append(replace(item, body=walk(item.body)))
            else:
                position += 1
                made += change(position, item)
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
    touched = False
    for name, value in instruction.operands.items():
        if isinstance(value, AccessPattern):
            found = redirect_pattern(value, moved)
            touched = touched or found is not value
            operands[name] = found
        else:
            operands[name] = value
    return changed(instruction, operands=operands) if touched else instruction


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
    return pattern.replace(tensor=tensor, dtype=dtype, offset=offset, dynamic=dynamic, vector=vector)


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


def split_versions(program: Program, wanted: set[int], buffers: int | None = None) -> Program | None:
    """`program` with each wanted tensor split where it is written afresh: a tensor per version, or `buffers` in turn.

    A version begins with a write after reads that does not itself need the old content. None when no wanted tensor has
    two versions, or when the program has loops. A tensor of which a version reads bytes of an earlier one stays whole.
    """
    if any(isinstance(item, Loop) for item in program.body):
        return None
    versions = _versions(program, wanted)
    if not versions:
        return None
    tensors = list(program.tensors)
    copies: dict[tuple[int, int], TensorDecl] = {}
    for index, at in versions.items():
        for version in sorted(set(at.values())):
            slot = version if buffers is None else version % buffers
            if slot and (index, slot) not in copies:
                # The allocator finds a place for the copy; the original keeps the one the kernel chose.
                copies[(index, slot)] = new_tensor(tensors, program.tensors[index], address=None)

    def change(position: int, instruction: Instruction) -> Sequence[Instruction]:
        moved: dict[int, Moved] = {}
        for index, at in versions.items():
            version = at.get(position)
            if version is None:
                continue
            slot = version if buffers is None else version % buffers
            if slot:
                moved[index] = (copies[(index, slot)], 0)
        return (redirect(instruction, moved) if moved else instruction,)

    return rebuild(program, change, tensors)


def _versions(program: Program, wanted: set[int]) -> dict[int, dict[int, int]]:
    """tensor -> flat position -> version, for the wanted tensors that have more than one."""
    at: dict[int, dict[int, int]] = {index: {} for index in wanted}
    version: dict[int, int] = dict.fromkeys(wanted, 0)
    was_read: dict[int, bool] = dict.fromkeys(wanted, False)
    written: dict[int, ByteMap] = {}
    for position, instruction in enumerate(program.instructions()):
        reads, writes = split(instruction)
        touched = {one[1].tensor.index for one in reads} & wanted
        for _, pattern, _ in reads:
            index = pattern.tensor.index
            if index not in wanted:
                continue
            seen = written.get(index)
            if seen is None or not seen.view(reach(pattern)).all():
                wanted = wanted - {index}
            was_read[index] = True
        for _, pattern in writes:
            index = pattern.tensor.index
            if index not in wanted:
                continue
            if index not in touched and was_read[index]:
                version[index] += 1
                was_read[index] = False
                written.pop(index, None)
            touched.add(index)
            if index not in written:
                tensor = pattern.tensor
                written[index] = ByteMap(tensor.partitions, tensor.bytes_per_partition, 0)
            written[index].fill(reach(pattern), 1)
        for index in touched & wanted:
            at[index][position] = version[index]
    return {index: at[index] for index in wanted if version[index] > 0}
