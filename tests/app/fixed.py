"""Profiles for the app's tests: a tiled matmul whose times are simple numbers, whatever the timing model says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nki_sim.memory.allocate import allocate
from nki_sim.profiler.profile import Profile
from nki_sim.program.dtypes import bfloat16
from nki_sim.targets import load
from nki_sim.timing import simulate
from nki_sim.timing.lanes import KINDS, MATMUL, REUSE_STALL, TRANSFER
from nki_sim.timing.timeline import Timeline
from tests.support.ir import part
from tests.timing.building import Timed

DURATIONS_NS = {"matmul": 200.0, "compute": 300.0, "trigger": 50.0, "transfer": 700.0}
DRAIN_NS = 40.0
FIRST_PACKET_NS = 500.0


def fixed_profile(tiles: int = 2, *, slower: float = 1.0, target: str = "trn2", overlapping: bool = False) -> Profile:
    """`tiles` x 2 products of [128, 128] and [128, 512] tiles; `slower` stretches every duration; `overlapping` lets
    a transfer begin before the one ahead of it ends."""
    build = tiled_matmul(tiles, target)
    chip = load(target)
    allocation = allocate(build.program, chip)
    timeline = simulate(build.program, allocation.placement, chip)
    return Profile(build.program, with_fixed_times(timeline, slower, overlapping), chip, allocation=allocation)


def tiled_matmul(tiles: int, target: str = "trn2") -> Timed:
    build = Timed(target)
    build.program.name = "tiled_matmul"
    left = build.input(256, tiles * 128, dtype=bfloat16, name="left")
    right = build.input(256, 512, dtype=bfloat16, name="right")
    result = build.output(tiles * 128, 512, dtype=bfloat16, name="result")
    for m in range(tiles):
        total = build.psum(128, 512, name="total")
        rows = slice(m * 128, m * 128 + 128)
        for k in range(2):
            inner = slice(k * 128, k * 128 + 128)
            weights = build.sbuf(128, 128, dtype=bfloat16, name="weights")
            moving = build.sbuf(128, 512, dtype=bfloat16, name="moving")
            build.move(weights, part(left, inner, rows), mode="hwdge", engine="sync")
            build.move(moving, part(right, inner, slice(0, 512)), mode="hwdge", engine="sync")
            build.product(total, weights, moving, accumulate=k > 0)
        out = build.sbuf(128, 512, dtype=bfloat16, name="out")
        build.tensor_copy(out, total)
        build.act(out, out)
        build.move(part(result, rows, slice(0, 512)), out, mode="swdge", engine="gpsimd")
    return build


def with_fixed_times(timeline: Timeline, slower: float = 1.0, overlapping: bool = False) -> Timeline:
    """The timeline with every duration from DURATIONS_NS and starts that follow from lanes and waits alone."""
    rows = timeline.rows.copy()
    free: dict[Any, float] = {}
    ends: dict[int, tuple[float, int, int]] = {}
    triggered = 0.0
    for row in rows:
        kind, lane, instance = int(row["kind"]), int(row["lane"]), int(row["instance"])
        lane_free = free.get(lane, 0.0)
        start, stall, cause = lane_free, 0, -1
        if kind == TRANSFER:
            start = max(0.0 if overlapping else start, triggered + FIRST_PACKET_NS)
        else:
            for code in timeline.waits[instance]:
                end, producer_lane, producer = ends[code >> 1]
                if end > start:
                    start, stall, cause = end, REUSE_STALL if code & 1 else 1 + producer_lane, producer
        row["start_ns"] = start
        row["issue_end_ns"] = start + slower * DURATIONS_NS.get(KINDS[kind], 100.0)
        row["end_ns"] = row["issue_end_ns"] + DRAIN_NS
        row["stall"], row["cause"] = stall, cause
        row["stall_ns"] = start - lane_free if stall else 0.0
        row["load_start_ns"] = start - 30.0 if kind == MATMUL else np.nan
        free[lane] = float(row["issue_end_ns"])
        triggered = float(row["issue_end_ns"])
        ends[instance] = (float(row["end_ns"]), lane, int(row["instruction"]))
    transfers = timeline.transfers.copy()
    transfers["pool_ns"] = slower * DURATIONS_NS["transfer"]
    return replace(
        timeline,
        rows=rows,
        transfers=transfers,
        total_ns=float(rows["end_ns"].max()),
        launch_ns=1000.0,
        slow_clock_ns=0.0,
        dma_busy_ns=float(transfers["pool_ns"].sum()),
    )
