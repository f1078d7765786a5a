"""How long each on-chip tensor lives, in positions of the flat instruction order.

A tensor lives from its first to its last access (both included), not from its allocation: many kernels allocate all
tiles up front. Loops repeat their body, so an access inside a loop to a tensor allocated outside keeps it alive
through the whole loop; a tensor allocated in the body lives within one pass, unless a pass reads what an earlier one
left in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nki_sim.memory.accesses import FlatProgram
from nki_sim.memory.bytemap import ByteMap
from nki_sim.memory.regions import reach
from nki_sim.program.ir import TensorDecl


class Life(NamedTuple):
    """Positions of the first and the last instruction during which the tensor's bytes must stay, both included."""

    first: int
    last: int

    def meets(self, other: Life) -> bool:
        return self.first <= other.last and other.first <= self.last


def live_ranges(flat: FlatProgram) -> dict[int, Life]:
    """tensor index -> Life, for the SBUF and PSUM tensors that some instruction touches."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    homes: dict[int, list[int]] = {}
    tensors = {t.index: t for t in flat.program.tensors}
    for position, (reads, writes) in enumerate(flat.accesses):
        loop = flat.inside[position]
        patterns = [read[1] for read in reads]
        patterns += [write[1] for write in writes]
        for pattern in patterns:
            tensor = pattern.tensor
            if tensor.space == "hbm":
                continue
            index = tensor.index
            if loop < 0:
                if index not in first:
                    first[index] = last[index] = position
                elif last[index] < position:
                    last[index] = position
                continue
            begin, end = _through_loops(flat, loop, homes, tensor, position)
            first[index] = min(begin, first.get(index, begin))
            last[index] = max(end, last.get(index, end))
    lives = {index: Life(first[index], last[index]) for index in first}
    for index in _carried(flat, {i for i, chain in homes.items() if chain}, tensors):
        outermost = flat.loops[homes[index][-1]]
        life = lives[index]
        lives[index] = Life(min(life.first, outermost.start), max(life.last, outermost.stop - 1))
    return lives


def _through_loops(
    flat: FlatProgram, loop: int, homes: dict[int, list[int]], tensor: TensorDecl, position: int
) -> tuple[int, int]:
    """What an access in `loop` keeps `tensor` alive for: the outermost loop around it that does not allocate it."""
    home = homes.get(tensor.index)
    if home is None:
        home = homes[tensor.index] = flat.chain(flat.home(tensor))
    begin, end = position, position
    for number in flat.chain(loop):
        if number in home:
            break
        begin, end = flat.loops[number].start, flat.loops[number].stop - 1
    return begin, end


def _carried(flat: FlatProgram, candidates: set[int], tensors: dict[int, TensorDecl]) -> list[int]:
    """Tensors allocated in a loop body of which a pass reads bytes it has not written: values cross iterations."""
    written: dict[int, ByteMap] = {}
    carried: dict[int, None] = {}
    if not candidates:
        return []
    for position, (reads, writes) in enumerate(flat.accesses):
        if flat.inside[position] < 0:
            continue
        for _, pattern, _ in reads:
            index = pattern.tensor.index
            if index in candidates and index not in carried:
                seen = written.get(index)
                if seen is None or not seen.view(reach(pattern)).all():
                    carried[index] = None
        for _, pattern in writes:
            index = pattern.tensor.index
            if index in candidates and index not in carried:
                seen = written.get(index)
                if seen is None:
                    tensor = tensors[index]
                    seen = written[index] = ByteMap(tensor.partitions, tensor.bytes_per_partition, 0, np.uint8)
                seen.fill(reach(pattern), 1)
    return list(carried)
