"""What-ifs on transfers: loads kept on chip, and neighbouring transfers made into one.

Only what provably leaves the values alone is offered; whether it gains anything is for the replay to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nki_sim.memory.accesses import split
from nki_sim.memory.bytemap import ByteMap
from nki_sim.memory.regions import reach
from nki_sim.profiler.naming import join_names, spans_of, tile_name
from nki_sim.profiler.rewrite import (
    Moved,
    changed,
    is_whole,
    new_tensor,
    rebuild,
    redirect,
    split_versions,
)
from nki_sim.profiler.whatif import Change, is_loop_free
from nki_sim.profiler.words import bytes_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.timing.timeline import Timeline

_MERGES = (2, 4, 8, 16)
_VIEW_DIMS = 5


@dataclass(frozen=True, slots=True)
class _Copy:
    """A dma_copy between HBM and a whole on-chip tile: `chip` is that tile, `hbm` the other side."""

    position: int
    instruction: Instruction
    chip: TensorDecl
    hbm: AccessPattern
    load: bool


def _copies(program: Program) -> Iterator[_Copy]:
    """Transfers of whole tiles whose order against other accesses to HBM cannot matter.

    What is loaded is never written, and what is stored is neither read nor stored a second time.
    """
    read: set[int] = set()
    written: dict[int, ByteMap] = {}
    for instruction in program.instructions():
        reads, writes = split(instruction)
        read |= {one[1].tensor.index for one in reads if not one[1].on_chip}
        for _, pattern in writes:
            if pattern.on_chip:
                continue
            index = pattern.tensor.index
            seen = written.setdefault(index, ByteMap(1, pattern.tensor.nbytes, 0))
            touched = reach(pattern)
            if seen.view(touched).any():
                read.add(index)
            seen.fill(touched, 1)
    for position, instruction in enumerate(program.instructions()):
        if instruction.op != "dma_copy":
            continue
        dst, src = instruction.operands["dst"], instruction.operands["src"]
        assert isinstance(dst, AccessPattern) and isinstance(src, AccessPattern)
        chip, hbm, load = (dst, src, True) if dst.on_chip else (src, dst, False)
        if hbm.on_chip or hbm.is_dynamic or not is_whole(chip):
            continue
        if hbm.tensor.index in (written if load else read):
            continue
        yield _Copy(position, instruction, chip.tensor, hbm, load)


def _uses(program: Program) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    """By tensor: flat position of the first and of the last access, number of instructions that write it."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    writers: dict[int, int] = {}
    for position, instruction in enumerate(program.instructions()):
        reads, writes = split(instruction)
        for index in {one[1].tensor.index for one in reads} | {one[1].tensor.index for one in writes}:
            first.setdefault(index, position)
            last[index] = position
        for index in {one[1].tensor.index for one in writes}:
            writers[index] = writers.get(index, 0) + 1
    return first, last, writers


def _versioned(program: Program, tiles: set[int]) -> Program:
    """`program` with those of `tiles` that are filled or emptied again and again as one tensor per time."""
    return (split_versions(program, tiles) if tiles else None) or program


# -- hoisted loads ---------------------------------------------------------------------------------------------------


def hoisted_loads(timeline: Timeline) -> Iterator[Change]:
    """Each tensor in HBM that is read again and again, and all of them together: their tiles loaded once and kept."""
    if not is_loop_free(timeline.program):
        return
    tiles: dict[int, set[int]] = {}
    seen: set[AccessPattern] = set()
    repeated: set[int] = set()
    for one in _copies(timeline.program):
        if one.load:
            source = one.hbm.tensor.index
            tiles.setdefault(source, set()).add(one.chip.index)
            if one.hbm in seen:
                repeated.add(source)
            seen.add(one.hbm)
    options = [{source} for source in sorted(repeated)]
    if len(options) > 1:
        options.insert(0, repeated)
    for chosen in options:
        found = _hoisted(timeline.program, chosen, {index for source in chosen for index in tiles[source]})
        if found is not None:
            yield found


def _hoisted(original: Program, sources: set[int], tiles: set[int]) -> Change | None:
    program = _versioned(original, tiles)
    _, _, writers = _uses(program)
    groups: dict[tuple[object, ...], list[_Copy]] = {}
    for one in _copies(program):
        if one.load and one.hbm.tensor.index in sources and writers[one.chip.index] == 1:
            groups.setdefault((one.hbm, one.chip.shape, one.chip.dtype), []).append(one)
    found = [group for group in groups.values() if len(group) > 1]
    if not found:
        return None
    removed = {one.position for group in found for one in group[1:]}
    moved: dict[int, Moved] = {one.chip.index: (group[0].chip, 0) for group in found for one in group[1:]}
    names = join_names(tile_name(program, group[0].hbm.tensor) for group in found)
    saved = sum(one.hbm.nbytes for group in found for one in group[1:])
    kept = sum(group[0].chip.bytes_per_partition for group in found)
    return Change(
        code="hoist",
        choice=f"hoist {names}",
        title=f"load each tile of {names} once and keep it",
        lines=spans_of(program, [one.instruction.site for group in found for one in group]),
        how=f"load a tile where it is first needed, into an allocation of its own, and use that wherever it is needed "
        f"again; together they take {bytes_text(kept)} per partition",
        replay=f"{len(removed):,} repeated loads ({bytes_text(saved)}) removed, their readers given the first copy",
        program=_without(program, removed, moved),
    )


def _without(program: Program, removed: set[int], moved: Mapping[int, Moved]) -> Program:
    def change(position: int, instruction: Instruction) -> Sequence[Instruction]:
        return () if position in removed else (redirect(instruction, moved),)

    return rebuild(program, change)


# -- larger transfers ------------------------------------------------------------------------------------------------


def merged_transfers(timeline: Timeline) -> Iterator[Change]:
    """Neighbouring transfers of one line made into one DMA: 2, 4, 8 or 16 at a time, loads and stores."""
    if not is_loop_free(timeline.program) or len(timeline.transfers) < 2:
        return
    lines: dict[tuple[object, ...], list[_Copy]] = {}
    program = timeline.program
    # Only lines that transfer more than once can merge anything; the tiles of the others stay as they are.
    sites = Counter(one.instruction.site for one in _copies(program))
    program = _versioned(program, {one.chip.index for one in _copies(program) if sites[one.instruction.site] > 1})
    first, last, _ = _uses(program)
    for one in _copies(program):
        alone = first[one.chip.index] == one.position if one.load else last[one.chip.index] == one.position
        if one.chip.address is None and alone and one.hbm.dims and one.hbm.dims[0][1] == one.chip.partitions:
            key = (one.instruction.site, one.hbm.tensor.index, one.hbm.dims, one.chip.shape, one.chip.dtype)
            lines.setdefault(key, []).append(one)
    seen = set()
    for number in _MERGES:
        runs = _compatible([run for copies in lines.values() for run in _runs(copies, number)])
        shape = tuple(len(run) for run in runs)
        if not runs or shape in seen:
            continue
        seen.add(shape)
        longest = max(shape)
        before = sum(one.hbm.nbytes for run in runs for one in run) / sum(shape)
        kinds = {one.load for run in runs for one in run}
        # Tiles used again and again were split for this, and the gain has that in it.
        fresh = any(one.chip.index >= len(timeline.program.tensors) for run in runs for one in run)
        verb = "move" if len(kinds) > 1 else "load" if True in kinds else "store"
        yield Change(
            code="merge",
            choice="merge",
            title=f"{verb} {longest} tiles with one DMA" + (", into fresh tiles" if fresh else ""),
            lines=spans_of(program, [run[0].instruction.site for run in runs]),
            how=f"allocate one tile [P, {longest}, ...] for {longest} neighbours, afresh each time, transfer it whole, "
            "and give the instructions slices of it",
            replay=f"{sum(shape):,} transfers of {bytes_text(before)} made into {len(runs):,}",
            program=_merged(program, runs),
        )


def _runs(copies: Sequence[_Copy], number: int) -> list[list[_Copy]]:
    """Up to `number` successive copies at a time whose HBM sides lie at one distance from each other."""
    found: list[list[_Copy]] = []
    run: list[_Copy] = []
    for one in copies:
        fits = run and len(run) < number and one.hbm.offset != run[-1].hbm.offset
        if fits and len(run) > 1:
            fits = one.hbm.offset - run[-1].hbm.offset == run[1].hbm.offset - run[0].hbm.offset
        if fits and all(one.chip is not other.chip for other in run):
            run.append(one)
        else:
            found.append(run)
            run = [one]
    found.append(run)
    return [run for run in found if len(run) > 1 and len(run[0].hbm.dims) < _VIEW_DIMS]


def _compatible(runs: Sequence[list[_Copy]]) -> list[list[_Copy]]:
    """The runs that can be made together: a tile is part of one wide tile only, filled whole or emptied whole."""
    owner: dict[int, tuple[int, ...]] = {}
    kept = []
    for run in runs:
        tiles = tuple(one.chip.index for one in run)
        if all(owner.get(index, tiles) == tiles for index in tiles):
            owner.update(dict.fromkeys(tiles, tiles))
            kept.append(run)
    return kept


def _merged(program: Program, runs: Sequence[Sequence[_Copy]]) -> Program:
    tensors = list(program.tensors)
    moved: dict[int, Moved] = {}
    placed: dict[int, Instruction] = {}
    removed: set[int] = set()
    wides: dict[tuple[int, ...], TensorDecl] = {}
    for run in runs:
        head = run[0] if run[0].load else run[-1]
        tile, number = run[0].chip, len(run)
        shape = (tile.shape[0], number * tile.free_elements)
        tiles = tuple(one.chip.index for one in run)
        wide = wides.get(tiles) or wides.setdefault(tiles, new_tensor(tensors, tile, shape=shape))
        for index, one in enumerate(run):
            moved[one.chip.index] = (wide, index * tile.bytes_per_partition)
            removed.add(one.position)
        hbm = run[0].hbm
        step = run[1].hbm.offset - hbm.offset
        outside = hbm.replace(dims=(hbm.dims[0], (step, number), *hbm.dims[1:]))
        inside = AccessPattern(
            wide, wide.dtype, (0, 1, shape[0]), 0, ((tile.free_elements, number), (1, tile.free_elements))
        )
        operands = {"dst": inside, "src": outside} if head.load else {"dst": outside, "src": inside}
        placed[head.position] = changed(head.instruction, operands=operands)

    def change(position: int, instruction: Instruction) -> Sequence[Instruction]:
        if position in placed:
            return (placed[position],)
        return () if position in removed else (redirect(instruction, moved),)

    return rebuild(program, change, tensors)
