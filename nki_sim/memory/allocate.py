"""Where each SBUF and PSUM tensor lies: kernel-chosen addresses kept, the others placed; capacity proved or refused.

Sources: sizes from the target; banks from trainium_inferentia2_arch.rst (8 x 2 KiB per partition, a matmul result fits
one bank on gen2 and gen3). Choices of our own: every placed tensor starts at partition 0; offsets are multiples of 64
bytes as long as that fits (host vector loads are faster), then of 4, then of what the target requires.

Non-goals: splitting or spilling tensors; sharing partitions between small tensors (the start-partition rules of the
engines leave little to gain); whether kernel-chosen addresses are legal (checks/bounds.py) or clash
(checks/overlap.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nki_sim.diagnostics.model import Diagnostic
from nki_sim.memory.accesses import FlatProgram, flatten
from nki_sim.memory.capacity import does_not_fit
from nki_sim.memory.liveness import Life, live_ranges
from nki_sim.memory.packing import Block, Pinned, Strategy, pack
from nki_sim.program.ir import Program, TensorDecl
from nki_sim.targets import Target

_FAST_ALIGN_BYTES = 64
_WORD_ALIGN_BYTES = 4
# Written by the PE array, so subject to its bank rule.
_BANKED_OPS = frozenset({"nc_matmul", "nc_transpose", "nc_matmul_mx"})


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The fullest moment of one memory.

    bytes      per partition, taken by the tensors alive at `position`; bytes that two of them share count once
    position   flat position of the instruction
    tensors    the tensors alive there, largest first
    """

    space: str
    capacity_bytes: int
    bytes: int
    position: int
    tensors: tuple[TensorDecl, ...]


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """The result of `allocate`.

    placement     tensor index -> (start partition, byte offset in the partition); on-chip tensors only
    lives         tensor index -> Life, for the on-chip tensors some instruction touches
    peaks         by space: "sbuf", "psum"
    extent_bytes  by space: one past the highest byte any tensor takes in a partition
    separate      whether each tensor has bytes of its own, whatever its address
    """

    placement: dict[int, tuple[int, int]]
    lives: dict[int, Life]
    peaks: dict[str, Peak]
    extent_bytes: dict[str, int]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    separate: bool = False


def allocate(
    program: Program, target: Target, *, separate: bool = False, flat: FlatProgram | None = None
) -> Allocation:
    """Place every on-chip tensor of `program`.

    A memory that is too small gives one error diagnostic with the tensors alive at the peak; the tensors of that memory
    are then placed one after another, past its end if need be. `separate` gives each tensor bytes of its own, without
    bound: the named relaxation that tells an aliasing bug from an arithmetic one.
    """
    flat = flatten(program) if flat is None else flat
    lives = live_ranges(flat)
    placement: dict[int, tuple[int, int]] = {}
    peaks: dict[str, Peak] = {}
    extents: dict[str, int] = {}
    diagnostics: list[Diagnostic] = []
    banked = _matmul_destinations(flat)
    for space in ("sbuf", "psum"):
        tensors = [t for t in program.tensors if t.space == space]
        capacity = target.limit("sbuf_usable_bytes" if space == "sbuf" else "psum_bytes")
        room = _Room(space, capacity, target, lives, banked)
        offsets = None if separate else room.place(tensors)
        if offsets is None:
            offsets = room.one_after_another(tensors)
            honoured: Mapping[int, int] = {} if separate else _addressed(tensors)
            offsets = {**offsets, **honoured}
        for tensor in tensors:
            partition = tensor.address[0] if tensor.address is not None else 0
            placement[tensor.index] = (partition, offsets[tensor.index])
        peaks[space] = room.peak(tensors, offsets)
        extents[space] = max((offsets[t.index] + t.bytes_per_partition for t in tensors), default=0)
        if room.overfull and not separate:
            diagnostics.append(does_not_fit(flat, target, peaks[space], room.needed_bytes(tensors)))
    return Allocation(
        placement=placement,
        lives=lives,
        peaks=peaks,
        extent_bytes=extents,
        diagnostics=diagnostics,
        separate=separate,
    )


def _matmul_destinations(flat: FlatProgram) -> set[int]:
    found: set[int] = set()
    for instruction, (_, writes) in zip(flat.instructions, flat.accesses, strict=True):
        if instruction.op in _BANKED_OPS:
            found.update(pattern.tensor.index for _, pattern in writes)
    return found


def _addressed(tensors: Sequence[TensorDecl]) -> dict[int, int]:
    return {t.index: t.address[1] for t in tensors if t.address is not None}


class _Room:
    """One memory while it is being filled."""

    def __init__(self, space: str, capacity: int, target: Target, lives: Mapping[int, Life], banked: set[int]) -> None:
        self.space = space
        self.capacity = capacity
        self.bank = target.limit("psum_bank_bytes") if space == "psum" else 0
        self.least_align = target.limit("psum_align_bytes" if space == "psum" else "sbuf_align_bytes")
        self.lives = lives
        self.banked = banked
        self.overfull = False

    def place(self, tensors: Sequence[TensorDecl]) -> dict[int, int] | None:
        """tensor index -> byte offset, or None (and `overfull`) when the memory is too small."""
        offsets = _addressed(tensors)
        free = [t for t in tensors if t.address is None]
        # A tensor nobody touches holds no bytes; any legal offset will do.
        offsets.update({t.index: 0 for t in free if t.index not in self.lives})
        free = [t for t in free if t.index in self.lives]
        pinned = [
            Pinned(
                first=self.lives[t.index].first,
                last=self.lives[t.index].last,
                start=t.address[1],
                stop=t.address[1] + t.bytes_per_partition,
            )
            for t in tensors
            if t.address is not None and t.index in self.lives
        ]
        attempts: tuple[tuple[int, bool, tuple[Strategy, ...]], ...] = (
            (_FAST_ALIGN_BYTES, True, ("rotate", "lowest", "ends")),
            (_WORD_ALIGN_BYTES, False, ("rotate", "lowest", "ends", "by_size")),
            (self.least_align, False, ("lowest", "by_size")),
        )
        if self.needed_bytes(free) <= self.capacity:
            for align, whole_banks, strategies in attempts:
                blocks = [self._block(t, align, whole_banks) for t in free]
                found = pack(blocks, self.capacity, pinned, strategies)
                if found is not None:
                    return {**offsets, **found}
        self.overfull = True
        return None

    def _block(self, tensor: TensorDecl, align: int, whole_banks: bool) -> Block:
        life = self.lives[tensor.index]
        size = tensor.bytes_per_partition
        if self.bank and (size > self.bank or (whole_banks and tensor.index in self.banked)):
            align = self.bank
        align = max(align, self.least_align)
        return Block(key=tensor.index, first=life.first, last=life.last, size=size, align=align, bank=self.bank)

    def one_after_another(self, tensors: Sequence[TensorDecl]) -> dict[int, int]:
        offsets: dict[int, int] = {}
        cursor = 0
        step = max(_FAST_ALIGN_BYTES, self.bank)
        for tensor in tensors:
            offsets[tensor.index] = cursor
            cursor = -(-(cursor + tensor.bytes_per_partition) // step) * step
        return offsets

    def _load(self, tensors: Sequence[TensorDecl]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Bytes per partition alive at each flat position, shared bytes counted for each tensor."""
        alive = [(self.lives[t.index], t.bytes_per_partition) for t in tensors if t.index in self.lives]
        change = np.zeros(max((life.last for life, _ in alive), default=0) + 2, dtype=np.int64)
        np.add.at(change, [life.first for life, _ in alive], [size for _, size in alive])
        np.subtract.at(change, [life.last + 1 for life, _ in alive], [size for _, size in alive])
        return np.cumsum(change)

    def needed_bytes(self, tensors: Sequence[TensorDecl]) -> int:
        return int(self._load(tensors).max())

    def peak(self, tensors: Sequence[TensorDecl], offsets: Mapping[int, int]) -> Peak:
        position = int(np.argmax(self._load(tensors)))
        alive = [t for t in tensors if t.index in self.lives]
        alive = [t for t in alive if self.lives[t.index].first <= position <= self.lives[t.index].last]
        alive.sort(key=lambda t: (-t.bytes_per_partition, t.index))
        taken = 0
        end = -1
        for start, stop in sorted((offsets[t.index], offsets[t.index] + t.bytes_per_partition) for t in alive):
            taken += max(0, stop - max(start, end))
            end = max(end, stop)
        return Peak(
            space=self.space, capacity_bytes=self.capacity, bytes=taken, position=position, tensors=tuple(alive)
        )
