"""What-ifs on waiting: one more buffer for tiles that are filled again, and triggers on another queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from nki_sim.profiler.body import Body, split_versions
from nki_sim.profiler.floors import DMA, TRIGGERS
from nki_sim.profiler.naming import allocations_of, join_names, spans_of, tile_name
from nki_sim.profiler.rewrite import Moved, changed, new_tensor, rebuild, redirections
from nki_sim.profiler.triggers import queue_ns
from nki_sim.profiler.whatif import Change, NotTried, Subject
from nki_sim.profiler.words import time_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Program, TensorDecl
from nki_sim.timing.lanes import DMA_LOAD, LANES, REUSE_STALL, SYNC
from nki_sim.timing.timeline import Timeline

_BUFFERED_LINES = 3


# -- one more buffer -------------------------------------------------------------------------------------------------


def more_buffers(subject: Subject) -> Iterator[Change | NotTried]:
    """A second buffer for tiles whose next use had to wait until the last one was over, and for all that are reused."""
    program, body = subject.program, subject.body
    waits = list(reuse_waits(subject.timeline).items())[:_BUFFERED_LINES]
    on_chip = [one for one in program.tensors if one.space != "hbm"]
    for site in [None, *(site for site, _ in waits)] if waits else []:
        tiles = [one for one in on_chip if site is None or one.site == site]
        filled_again = [one for one in tiles if one.index in body.versions]
        build: Callable[[], Program]
        if filled_again:
            tiles = filled_again
            build = partial(_alternating, body, {one.index for one in tiles})
        else:
            moved, tensors = _elsewhere(program, tiles)
            if not moved:
                continue
            build = partial(_moved, body, moved, tensors)
        called = list(dict.fromkeys(tile_name(program, one) for one in tiles))
        names = join_names(called) if len(called) <= 3 else f"the {len(called)} tiles that are filled again"
        several = len(called) > 1
        waited = sum(time_ns for one, time_ns in waits if site in (None, one))
        yield Change(
            code="buffer",
            choice=f"buffer {names}",
            title=f"give {names} a second buffer" + (" each" if several else ""),
            lines=allocations_of(program, tiles),
            how="allocate the tile where it is filled, inside the loop, so that successive passes get different bytes; "
            "where addresses are fixed, alternate between two",
            replay=f"tiles alternate between two places (instructions waited {time_text(waited)} for the one)",
            eases=frozenset(),
            build=build,
        )


def _alternating(body: Body, tiles: set[int]) -> Program:
    made = split_versions(body, tiles, buffers=2)
    assert made is not None
    return made


def _moved(body: Body, moved: Mapping[int, Moved], tensors: list[TensorDecl]) -> Program:
    positions = {position for index in moved for position in body.touching.get(index, ())}
    return rebuild(body.program, redirections(body.instructions, positions, moved), tensors)


def reuse_waits(timeline: Timeline) -> dict[int, float]:
    """Time lost waiting for a place on chip, by the allocation site of the tile that needed it, longest first."""
    rows = timeline.rows[timeline.rows["stall"] == REUSE_STALL]
    lengths = np.bincount(rows["instruction"], rows["stall_ns"]) if len(rows) else np.zeros(0)
    found: dict[int, float] = {}
    for number in np.flatnonzero(lengths).tolist():
        dst = timeline.instructions[number].operands.get("dst")
        if isinstance(dst, AccessPattern) and dst.on_chip:
            site = dst.tensor.site
            found[site] = found.get(site, 0.0) + float(lengths[number])
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _elsewhere(program: Program, tiles: Sequence[TensorDecl]) -> tuple[dict[int, Moved], list[TensorDecl]]:
    """Every second of the tiles that share a kernel-chosen address gets a place from the allocator."""
    sharing: dict[tuple[int, int], int] = {}
    moved: dict[int, Moved] = {}
    tensors = list(program.tensors)
    for one in tiles:
        if one.address is None:
            continue
        number = sharing.get(one.address, 0)
        sharing[one.address] = number + 1
        if number % 2:
            moved[one.index] = (new_tensor(tensors, one, address=None), 0)
    return moved, tensors


# -- another queue ---------------------------------------------------------------------------------------------------


def spread_triggers(subject: Subject) -> Iterator[Change]:
    """Every second load of a queue that is busy with triggers asked for from another engine's queue."""
    timeline, program = subject.timeline, subject.program
    needed = queue_ns(timeline)
    queue = needed.index(max(needed))
    if needed[queue] < 0.25 * timeline.total_ns or queue != SYNC:
        return
    alternate: list[int] = []
    number = 0
    for position, work in enumerate(timeline.works):
        transfer = None if work is None else work.transfer
        if transfer is None or transfer.trigger != queue or transfer.lane != DMA_LOAD or transfer.mode != "hwdge":
            continue
        # Turn about over all lines, so that both queues stay in step.
        number += 1
        if number % 2 == 0:
            alternate.append(position)
    if not alternate:
        return
    for other in ("scalar", "gpsimd"):
        yield Change(
            code="queue",
            choice="queue",
            title=f"ask for every second load from the {other} queue",
            lines=spans_of(program, [timeline.instructions[one].site for one in alternate]),
            how=f"alternate dma_copy(..., engine=nisa.engine.{other}) with the default: {LANES[queue]} has to spend "
            "time on each trigger",
            replay=f"{len(alternate):,} of the loads triggered by {other}",
            # Another queue may have its descriptors made by software, which costs the DMA engines less or more.
            eases=frozenset({TRIGGERS, DMA}),
            build=partial(_asked_by, subject.body, alternate, other),
            in_place=True,
        )


def _asked_by(body: Body, positions: Sequence[int], engine: str) -> Program:
    edits = {one: (changed(body.instructions[one], attributes={"engine": engine}),) for one in positions}
    return rebuild(body.program, edits)
