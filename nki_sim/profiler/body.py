"""Body: a program as what-ifs look at it: who touches which tensor, which transfers move whole tiles, what is reused.

Everything is worked out once, when it is first asked for; all what-ifs of a profile share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nki_sim.memory.accesses import FlatProgram, flatten
from nki_sim.memory.bytemap import ByteMap
from nki_sim.memory.regions import reach
from nki_sim.profiler.rewrite import Moved, is_whole, new_tensor, rebuild, redirect
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program, TensorDecl


@dataclass(frozen=True, slots=True)
class Copy:
    """A dma_copy between HBM and a whole on-chip tile: `chip` is that tile, `hbm` the other side."""

    position: int
    instruction: Instruction
    chip: TensorDecl
    hbm: AccessPattern
    load: bool


Versions = Mapping[int, Mapping[int, int]]
"""tensor -> flat position -> version, counted from 0."""


class Body:
    """One program, analysed."""

    def __init__(self, program: Program) -> None:
        self.program = program

    @cached_property
    def flat(self) -> FlatProgram:
        return flatten(self.program)

    @property
    def has_loops(self) -> bool:
        """Whether the device repeats anything, so that a flat position may be executed more than once."""
        return bool(self.flat.loops)

    @property
    def instructions(self) -> Sequence[Instruction]:
        return self.flat.instructions

    @cached_property
    def touching(self) -> Mapping[int, Sequence[int]]:
        """By tensor: the positions that access it, in order, each once."""
        found: dict[int, list[int]] = {}
        for position, (reads, writes) in enumerate(self.flat.accesses):
            for index in {one[1].tensor.index for one in reads} | {one[1].tensor.index for one in writes}:
                found.setdefault(index, []).append(position)
        return found

    @cached_property
    def writers(self) -> Mapping[int, int]:
        """By tensor: how many instructions write it."""
        found: dict[int, int] = {}
        for _, writes in self.flat.accesses:
            for index in {one[1].tensor.index for one in writes}:
                found[index] = found.get(index, 0) + 1
        return found

    @cached_property
    def copies(self) -> Sequence[Copy]:
        """As `moving_copies`, those whose address is fixed."""
        return [one for one in self.moving_copies if one.hbm.dynamic is None]

    @cached_property
    def moving_copies(self) -> Sequence[Copy]:
        """Transfers of whole tiles whose order against other accesses to HBM cannot matter.

        What is loaded is never written, and what is stored is neither read nor stored a second time (but by a later
        pass of the same loop).
        """
        read: set[int] = set()
        written: dict[int, ByteMap] = {}
        for reads, writes in self.flat.accesses:
            for one in reads:
                if not one[1].on_chip:
                    read.add(one[1].tensor.index)
            for _, pattern in writes:
                if pattern.on_chip:
                    continue
                index = pattern.tensor.index
                seen = written.get(index)
                if seen is None:
                    seen = written[index] = ByteMap(1, pattern.tensor.nbytes, 0)
                touched = reach(pattern)
                if seen.view(touched).any():
                    read.add(index)
                seen.fill(touched, 1)
        found = []
        for position, instruction in enumerate(self.instructions):
            if instruction.op != "dma_copy":
                continue
            dst, src = instruction.operands["dst"], instruction.operands["src"]
            assert isinstance(dst, AccessPattern) and isinstance(src, AccessPattern)
            chip, hbm, load = (dst, src, True) if dst.on_chip else (src, dst, False)
            if hbm.on_chip or hbm.vector is not None or not is_whole(chip):
                continue
            if hbm.tensor.index in (written if load else read):
                continue
            found.append(Copy(position, instruction, chip.tensor, hbm, load))
        return found

    @cached_property
    def repeated_loads(self) -> Sequence[Sequence[Copy]]:
        """Loads of the same elements into tiles alike, which nothing else writes, in groups of two and more."""
        groups: dict[tuple[object, ...], list[Copy]] = {}
        for one in self.copies:
            if one.load and self.writers[one.chip.index] == 1:
                groups.setdefault((one.hbm, one.chip.shape, one.chip.dtype), []).append(one)
        return [group for group in groups.values() if len(group) > 1]

    @cached_property
    def _rewritten_tiles(self) -> set[int]:
        """Tensors that are written after having been read, and not by adding to them: the others have one version."""
        was_read: set[int] = set()
        found: set[int] = set()
        for reads, writes in self.flat.accesses:
            own = [read[1].tensor.index for read in reads]
            for _, pattern in writes:
                index = pattern.tensor.index
                if index in was_read and index not in own:
                    found.add(index)
            was_read.update(own)
        return found

    @cached_property
    def versions(self) -> Versions:
        """The tensors that are filled afresh, and which of their fillings each position works on.

        A version begins with a write after reads that does not itself need the old content. A tensor of which a version
        reads bytes of an earlier one is left out. Empty for programs with loops.
        """
        if self.has_loops:
            return {}
        wanted = set(self._rewritten_tiles)
        at: dict[int, dict[int, int]] = {index: {} for index in wanted}
        version: dict[int, int] = dict.fromkeys(wanted, 0)
        was_read: dict[int, bool] = dict.fromkeys(wanted, False)
        written: dict[int, ByteMap] = {}
        for position in sorted({position for index in wanted for position in self.touching[index]}):
            reads, writes = self.flat.accesses[position]
            touched = {one[1].tensor.index for one in reads} & wanted
            for _, pattern, _ in reads:
                index = pattern.tensor.index
                if index not in wanted:
                    continue
                seen = written.get(index)
                if seen is None or not seen.view(reach(pattern)).all():
                    wanted.discard(index)
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
        return {index: at[index] for index in sorted(wanted) if version[index] > 0}

    def split(self, tiles: Iterable[int]) -> Body:
        """With a tensor per version for those of `tiles` that have several; itself when none has."""
        made = split_versions(self, set(tiles))
        return self if made is None else Body(made)


def split_versions(body: Body, wanted: set[int], buffers: int | None = None) -> Program | None:
    """The program with each wanted tensor split where it is filled afresh: a tensor per version, or `buffers` in turn.

    None when no wanted tensor has two versions, or when the program has loops.
    """
    versions = {index: at for index, at in body.versions.items() if index in wanted}
    if not versions:
        return None
    program = body.program
    tensors = list(program.tensors)
    copies: dict[tuple[int, int], TensorDecl] = {}
    moves: dict[int, dict[int, Moved]] = {}
    for index, at in versions.items():
        for position, version in at.items():
            slot = version if buffers is None else version % buffers
            if not slot:
                continue
            if (index, slot) not in copies:
                # The allocator finds a place for the copy; the original keeps the one the kernel chose.
                copies[(index, slot)] = new_tensor(tensors, program.tensors[index], address=None)
            moves.setdefault(position, {})[index] = (copies[(index, slot)], 0)
    edits = {position: (redirect(body.instructions[position], moved),) for position, moved in moves.items()}
    return rebuild(program, edits, tensors)


__all__: Sequence[str] = ("Body", "Copy", "split_versions")
