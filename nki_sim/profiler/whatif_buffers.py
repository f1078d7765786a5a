"""What-ifs on waiting: one more buffer for tiles that are filled again, and triggers on another queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from nki_sim.profiler.naming import allocations_of, join_names, spans_of, tile_name
from nki_sim.profiler.rewrite import (
    Moved,
    changed,
    new_tensor,
    rebuild,
    redirect,
    split_versions,
)
from nki_sim.profiler.triggers import queue_ns
from nki_sim.profiler.whatif import Change
from nki_sim.profiler.words import time_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.timing.lanes import DMA_LOAD, LANES, REUSE_STALL, SYNC
from nki_sim.timing.timeline import Timeline

_BUFFERED_LINES = 3


# -- one more buffer -------------------------------------------------------------------------------------------------


def more_buffers(timeline: Timeline) -> Iterator[Change]:
    """A second buffer for tiles whose next use had to wait until the last one was over, and for all that are reused."""
    program = timeline.program
    waits = list(reuse_waits(timeline).items())[:_BUFFERED_LINES]
    on_chip = [one for one in program.tensors if one.space != "hbm"]
    for site in [None, *(site for site, _ in waits)] if waits else []:
        tiles = [one for one in on_chip if site is None or one.site == site]
        made = split_versions(program, {one.index for one in tiles}, buffers=2)
        if made is not None:
            # The copies follow the tensors there were; one per reused tile.
            reused = {one.site for one in made.tensors[len(program.tensors) :]}
            tiles = [one for one in tiles if one.site in reused]
        else:
            made = _elsewhere(program, tiles)
        if made is None:
            continue
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
            program=made,
        )


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


def _elsewhere(program: Program, tiles: Sequence[TensorDecl]) -> Program | None:
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
    if not moved:
        return None
    return rebuild(program, lambda _, instruction: (redirect(instruction, moved),), tensors)


# -- another queue ---------------------------------------------------------------------------------------------------


def spread_triggers(timeline: Timeline) -> Iterator[Change]:
    """Every second load of a queue that is busy with triggers asked for from another engine's queue."""
    program, needed = timeline.program, queue_ns(timeline)
    queue = needed.index(max(needed))
    if needed[queue] < 0.25 * timeline.total_ns or queue != SYNC:
        return
    for other in ("scalar", "gpsimd"):
        alternate: set[int] = set()
        number = 0
        for position, work in enumerate(timeline.works):
            transfer = None if work is None else work.transfer
            if transfer is None or transfer.trigger != queue or transfer.lane != DMA_LOAD or transfer.mode != "hwdge":
                continue
            # Turn about over all lines, so that both queues stay in step.
            number += 1
            if number % 2 == 0:
                alternate.add(position)
        if not alternate:
            return
        made = rebuild(program, partial(_alternated, alternate, other))
        yield Change(
            code="queue",
            choice="queue",
            title=f"ask for every second load from the {other} queue",
            lines=spans_of(program, [timeline.instructions[one].site for one in sorted(alternate)]),
            how=f"alternate dma_copy(..., engine=nisa.engine.{other}) with the default: {LANES[queue]} has to spend "
            "time on each trigger",
            replay=f"{len(alternate):,} of the loads triggered by {other}",
            program=made,
        )


def _alternated(alternate: set[int], engine: str, position: int, instruction: Instruction) -> Sequence[Instruction]:
    return (changed(instruction, attributes={"engine": engine}) if position in alternate else instruction,)
