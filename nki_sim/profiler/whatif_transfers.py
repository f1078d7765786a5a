"""What-ifs on transfers: loads kept on chip, and neighbouring transfers made into one.

Only what provably leaves the values alone is offered; whether it gains anything is for the replay to say. Programs with
loops are for whatif_loops.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from nki_sim.profiler.body import Body, Copy
from nki_sim.profiler.floors import DMA, TRIGGERS
from nki_sim.profiler.naming import join_names, spans_of, tile_name
from nki_sim.profiler.rewrite import Moved, changed, new_tensor, rebuild, redirections
from nki_sim.profiler.whatif import Change, NotTried, Subject
from nki_sim.profiler.words import bytes_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.targets import Target

_MERGES = (4, 8, 2, 16)
_VIEW_DIMS = 5
_EASED = frozenset({DMA, TRIGGERS})


# -- hoisted loads ---------------------------------------------------------------------------------------------------


def hoisted_loads(subject: Subject) -> Iterator[Change | NotTried]:
    """Each tensor in HBM that is read again and again, and all of them together: their tiles loaded once and kept."""
    body = subject.body
    if body.has_loops:
        return
    tiles: dict[int, set[int]] = {}
    seen: set[AccessPattern] = set()
    repeated: set[int] = set()
    for one in body.copies:
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
        found = _hoisted(body, chosen, {index for source in chosen for index in tiles[source]}, subject.timeline.target)
        if found is not None:
            yield found


def _hoisted(original: Body, sources: set[int], tiles: set[int], target: Target) -> Change | NotTried | None:
    body = original.split(tiles)
    program = body.program
    found = [group for group in body.repeated_loads if group[0].hbm.tensor.index in sources]
    if not found:
        return None
    removed = {one.position for group in found for one in group[1:]}
    moved: dict[int, Moved] = {one.chip.index: (group[0].chip, 0) for group in found for one in group[1:]}
    names = join_names(tile_name(program, group[0].hbm.tensor) for group in found)
    saved = sum(one.hbm.nbytes for group in found for one in group[1:])
    kept = sum(group[0].chip.bytes_per_partition for group in found)
    title = f"load each tile of {names} once and keep it"
    needed = _most_kept(body, found)
    if needed > target.limit("sbuf_usable_bytes"):
        return NotTried(title=title, why=f"SBUF is too small for the {bytes_text(needed)} per partition to be kept")
    return Change(
        code="hoist",
        choice=f"hoist {names}",
        title=title,
        lines=spans_of(program, [one.instruction.site for group in found for one in group]),
        how=f"load a tile where it is first needed, into an allocation of its own, and use that wherever it is needed "
        f"again; together they take {bytes_text(kept)} per partition",
        replay=f"{len(removed):,} repeated loads ({bytes_text(saved)}) removed, their readers given the first copy",
        eases=_EASED,
        build=partial(_without, body, removed, moved),
    )


def _most_kept(body: Body, groups: Sequence[Sequence[Copy]]) -> int:
    """The most bytes per partition that the kept tiles take at one time, from their first load to their last use."""
    steps: list[tuple[int, int]] = []
    for group in groups:
        size = group[0].chip.bytes_per_partition
        steps.append((group[0].position, size))
        steps.append((max(body.touching[one.chip.index][-1] for one in group) + 1, -size))
    most = now = 0
    for _, size in sorted(steps):
        now += size
        most = max(most, now)
    return most


def _without(body: Body, removed: set[int], moved: Mapping[int, Moved]) -> Program:
    positions = {position for index in moved for position in body.touching[index]} - removed
    edits = redirections(body.instructions, positions, moved)
    edits.update(dict.fromkeys(removed, ()))
    return rebuild(body.program, edits)


# -- larger transfers ------------------------------------------------------------------------------------------------


def merged_transfers(subject: Subject) -> Iterator[Change]:
    """Neighbouring transfers of one line made into one DMA: 2, 4, 8 or 16 at a time, loads and stores."""
    original = subject.body
    if original.has_loops or len(subject.timeline.transfers) < 2:
        return
    # Only lines that transfer more than once can merge anything; the tiles of the others stay as they are.
    sites = Counter(one.instruction.site for one in original.copies)
    body = original.split({one.chip.index for one in original.copies if sites[one.instruction.site] > 1})
    program = body.program
    lines: dict[tuple[object, ...], list[Copy]] = {}
    for one in body.copies:
        touched = body.touching[one.chip.index]
        alone = (touched[0] if one.load else touched[-1]) == one.position
        if one.chip.address is None and alone and one.hbm.dims and one.hbm.dims[0][1] == one.chip.partitions:
            key = (one.instruction.site, one.hbm.tensor.index, one.hbm.dims, one.chip.shape, one.chip.dtype)
            lines.setdefault(key, []).append(one)
    seen = set()
    for number in _MERGES:
        runs = _compatible([run for copies in lines.values() for run in runs_of(copies, number)])
        shape = tuple(len(run) for run in runs)
        if not runs or shape in seen:
            continue
        seen.add(shape)
        longest = max(shape)
        before = sum(one.hbm.nbytes for run in runs for one in run) / sum(shape)
        kinds = {one.load for run in runs for one in run}
        # Tiles used again and again were split for this, and the gain has that in it.
        fresh = any(one.chip.index >= len(original.program.tensors) for run in runs for one in run)
        verb = "move" if len(kinds) > 1 else "load" if True in kinds else "store"
        yield Change(
            code="merge",
            choice="merge",
            title=f"{verb} {longest} tiles with one DMA" + (", into fresh tiles" if fresh else ""),
            lines=spans_of(program, [run[0].instruction.site for run in runs]),
            how=f"allocate one tile [P, {longest}, ...] for {longest} neighbours, afresh each time, transfer it whole, "
            "and give the instructions slices of it",
            replay=f"{sum(shape):,} transfers of {bytes_text(before)} made into {len(runs):,}",
            eases=_EASED,
            build=partial(merged, body, runs),
            room=longest,
        )


def runs_of(copies: Sequence[Copy], number: int) -> list[list[Copy]]:
    """Up to `number` successive copies at a time whose HBM sides lie at one distance from each other."""
    found: list[list[Copy]] = []
    run: list[Copy] = []
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


def _compatible(runs: Sequence[list[Copy]]) -> list[list[Copy]]:
    """The runs that can be made together: a tile is part of one wide tile only, filled whole or emptied whole."""
    owner: dict[int, tuple[int, ...]] = {}
    kept = []
    for run in runs:
        tiles = tuple(one.chip.index for one in run)
        if all(owner.get(index, tiles) == tiles for index in tiles):
            owner.update(dict.fromkeys(tiles, tiles))
            kept.append(run)
    return kept


def merged(body: Body, runs: Sequence[Sequence[Copy]]) -> Program:
    """Each run of transfers as one, of a tile that has those of the run side by side."""
    tensors = list(body.program.tensors)
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
    positions = {position for index in moved for position in body.touching[index]} - removed
    edits = redirections(body.instructions, positions, moved)
    edits.update(dict.fromkeys(removed, ()))
    edits.update({position: (instruction,) for position, instruction in placed.items()})
    return rebuild(body.program, edits, tensors)
