"""Which instructions touch the same bytes, by listing every byte: the obvious answer the tracker is compared with."""

from __future__ import annotations

from collections.abc import Mapping

from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program

Byte = tuple[str, int, int]


def touched(pattern: AccessPattern, placement: Mapping[int, tuple[int, int]] | None) -> set[Byte]:
    """Bytes as (memory, partition, address); a tensor without a place is a memory of its own."""
    tensor, size = pattern.tensor, pattern.dtype.itemsize
    place = None if placement is None else placement.get(tensor.index)
    memory, rows, start = (f"%{tensor.index}", 0, 0) if place is None else (tensor.space, *place)
    return {
        (memory, rows + partition, start + offset * size + byte)
        for partition, offset in pattern.element_offsets()
        for byte in range(size)
    }


def reads_and_writes(
    instruction: Instruction, placement: Mapping[int, tuple[int, int]] | None
) -> tuple[set[Byte], set[Byte]]:
    read: set[Byte] = set()
    written: set[Byte] = set()
    for name, operand in instruction.operands.items():
        if isinstance(operand, AccessPattern):
            (written if name == "dst" else read).update(touched(operand, placement))
    return read, written


def conflicts(program: Program, placement: Mapping[int, tuple[int, int]] | None) -> dict[tuple[int, int], bool]:
    """(earlier, later) pairs that share a byte one of them writes -> whether the later reads what the earlier wrote."""
    sets = [reads_and_writes(one, placement) for one in program.instructions()]
    found: dict[tuple[int, int], bool] = {}
    for later, (read, written) in enumerate(sets):
        for earlier in range(later):
            before_read, before_written = sets[earlier]
            if not before_written.isdisjoint(read):
                found[earlier, later] = True
            elif not written.isdisjoint(before_read) or not written.isdisjoint(before_written):
                found[earlier, later] = False
    return found
