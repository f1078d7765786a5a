"""Where the per-byte state of each tensor is kept, and which values loop counters take.

Tensors the kernel placed at overlapping addresses share one ByteMap: the same bytes give values and initialisation.
"""

from __future__ import annotations

from collections.abc import Iterable

from nki_sim.memory.accesses import FlatProgram
from nki_sim.memory.bytemap import ByteMap
from nki_sim.program.ir import Register, TensorDecl

Place = tuple[ByteMap, int, int]
"""The map that holds a tensor's bytes, and the tensor's first row and byte in it."""


def alias_groups(tensors: Iterable[TensorDecl]) -> list[list[TensorDecl]]:
    """Kernel-placed tensors of one memory whose byte ranges meet, directly or through others; no groups of one."""
    groups: list[list[TensorDecl]] = []
    for space in ("sbuf", "psum"):
        placed = [t for t in tensors if t.space == space and t.address is not None]
        placed.sort(key=_first_byte)
        current: list[TensorDecl] = []
        end = 0
        for tensor in placed:
            if current and _first_byte(tensor) >= end:
                groups.append(current)
                current = []
                end = 0
            current.append(tensor)
            end = max(end, _first_byte(tensor) + tensor.bytes_per_partition)
        groups.append(current)
    return [members for members in groups if len(members) > 1]


def _first_byte(tensor: TensorDecl) -> int:
    return 0 if tensor.address is None else tensor.address[1]


def group_places(members: list[TensorDecl], fill: int) -> dict[int, Place]:
    """One shared map for an alias group."""
    starts = [_first_byte(t) for t in members]
    low = min(starts)
    high = max(start + t.bytes_per_partition for start, t in zip(starts, members, strict=True))
    rows = max((t.address[0] if t.address else 0) + t.partitions for t in members)
    shared = ByteMap(rows, high - low, fill)
    return {
        t.index: (shared, t.address[0] if t.address else 0, start - low)
        for start, t in zip(starts, members, strict=True)
    }


def known_registers(flat: FlatProgram) -> dict[Register, tuple[int, int, int]]:
    """Counter -> (first value, number of values, step) of loops whose bounds are numbers and that run at least once."""
    known: dict[Register, tuple[int, int, int]] = {}
    for entry in flat.loops:
        loop = entry.loop
        if loop.register is None or not isinstance(loop.start, int) or not isinstance(loop.stop, int):
            continue
        count = len(range(loop.start, loop.stop, loop.step))
        if count:
            known[loop.register] = (loop.start, count, loop.step)
    return known
