"""Which inputs of an instruction share bytes with its outputs, so that they have to be copied aside first.

An instruction reads all of its inputs before it writes. Compiled code reads and writes as it goes, which shows only
when an input and an output share bytes without being the very same elements.
"""

from __future__ import annotations

from nki_sim.engines.jit.layout import self_overlapping
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.memory.storage import Placement
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Program

Box = tuple[int, int, int, int]
"""(first partition, end partition, first byte, end byte)."""


class Overlaps:
    """The overlap test for the operands of one program."""

    def __init__(self, program: Program, placement: Placement) -> None:
        self._tensors: dict[int, Box] = {}
        for tensor in program.tensors:
            partition, offset = placement.get(tensor.index, (0, 0))
            self._tensors[tensor.index] = (
                partition, partition + tensor.partitions, offset, offset + tensor.bytes_per_partition,
            )  # fmt: skip

    def staged(self, tiles: list[tuple[str, AccessPattern]], lowering: Lowering) -> tuple[str, ...]:
        """Names of the inputs that overlap an output in a way that would make the order of writes visible."""
        outputs = [tile for name, tile in tiles if name in lowering.outputs]
        found: list[str] = []
        for name, tile in tiles:
            if name in lowering.outputs or name in lowering.in_place:
                continue
            for output in outputs:
                if self.may_overlap(tile, output) and not (lowering.elementwise and same_elements(tile, output)):
                    found.append(name)
                    break
        return tuple(found)

    def may_overlap(self, one: AccessPattern, other: AccessPattern) -> bool:
        """Whether the boxes around two patterns meet. Never False for patterns that share a byte."""
        if one.tensor is not other.tensor:
            if one.tensor.space != other.tensor.space or one.partition is None:
                return False
            if not _meet(self._tensors[one.tensor.index], self._tensors[other.tensor.index]):
                return False
        return _meet(self._box(one), self._box(other))

    def _box(self, pattern: AccessPattern) -> Box:
        partition0, _, byte0, _ = self._tensors[pattern.tensor.index]
        if pattern.dynamic is not None or pattern.vector is not None:
            low, high = 0, pattern.tensor.bytes_per_partition
        else:
            low, high = pattern.byte_extent()
        if pattern.partition is None:
            return 0, 1, low, high
        start, step, count = pattern.partition
        last = start + step * (count - 1)
        return partition0 + min(start, last), partition0 + max(start, last) + 1, byte0 + low, byte0 + high


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def same_elements(one: AccessPattern, other: AccessPattern) -> bool:
    """Whether two overlapping patterns are the very same elements in the same order."""
    if self_overlapping(one.dims):
        # An element that stands at two places: its first write would show in its second read.
        return False
    return one is other or (
        one.tensor is other.tensor
        and one.offset == other.offset
        and one.dims == other.dims
        and one.partition == other.partition
        and one.dtype.itemsize == other.dtype.itemsize
        and not one.is_dynamic
        and not other.is_dynamic
    )
