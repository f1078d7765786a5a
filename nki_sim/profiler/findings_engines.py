"""Rules about the engines: tiny or partial tiles, types, clock, buffers, function tables, transposes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nki_sim.profiler.finding import Finding, Run
from nki_sim.profiler.naming import allocations_of, tile_name
from nki_sim.profiler.whatif_buffers import reuse_waits
from nki_sim.profiler.words import percent, time_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import float32
from nki_sim.timing.lanes import ENGINES, MATMUL, TABLE_LOAD, TENSOR

_SHOWN_LINES = 4

_TINY_ELEMENTS = 64


def tiny_free_dimensions(run: Run) -> Iterator[Finding]:
    """Instructions of the streaming engines and matmuls that stop before the fixed costs are worth it."""
    timeline = run.timeline
    weights: dict[int, float] = {}
    executed = 0
    for number, (instruction, work, count) in enumerate(
        zip(timeline.instructions, timeline.works, timeline.counts.tolist(), strict=True)
    ):
        if work is None or work.transfer is not None or work.lane >= ENGINES - 1:
            continue
        tiles = [one for one in instruction.operands.values() if isinstance(one, AccessPattern)]
        longest = max((one.free_elements for one in tiles), default=0)
        if 0 < longest < _TINY_ELEMENTS:
            weights[number] = float(run.busy[number])
            executed += count
    time_ns = sum(weights.values())
    if weights and run.share(time_ns) >= 0.02:
        yield Finding(
            code="small-free-dimension",
            message=f"{executed:,} instructions work on fewer than {_TINY_ELEMENTS} elements per partition and take "
            f"{time_text(time_ns)}, nearly all of it the fixed cost of an instruction",
            lines=run.lines(weights),
            evidence={"instructions": executed, "busy_ns": time_ns},
            share=run.share(time_ns),
            source="nki.isa: an instruction costs at least about 64 cycles (MIN_II)",
        )


def idle_partitions(run: Run) -> Iterator[Finding]:
    timeline = run.timeline
    pmax = timeline.target.limit("pmax")
    weights: dict[int, float] = {}
    lanes = 0.0
    for number, (instruction, work) in enumerate(zip(timeline.instructions, timeline.works, strict=True)):
        if work is None or work.transfer is not None or not run.busy[number]:
            continue
        used = [
            one.partition[2]
            for one in instruction.operands.values()
            if isinstance(one, AccessPattern) and one.partition is not None
        ]
        if used and max(used) <= pmax // 2:
            weights[number] = float(run.busy[number])
            lanes += run.busy[number] * max(used)
    time_ns = sum(weights.values())
    if weights and run.share(time_ns) >= 0.02:
        mean = lanes / time_ns
        yield Finding(
            code="idle-partitions",
            message=f"instructions that take {time_text(time_ns)} use {mean:.0f} of {pmax} partitions; with all of "
            "them they would take no longer",
            lines=run.lines(weights),
            evidence={"busy_ns": time_ns, "mean_partitions": mean},
            share=run.share(time_ns),
            source="nki_perf_guide.rst: time depends on the free size, not on the number of partitions",
        )


def single_buffers(run: Run) -> Iterator[Finding]:
    program = run.timeline.program
    for site, waited in list(reuse_waits(run.timeline).items())[:_SHOWN_LINES]:
        if run.share(waited) < 0.02:
            continue
        tile = next(one for one in program.tensors if one.site == site)
        where = "PSUM bank" if tile.space == "psum" else "buffer"
        name = tile_name(program, tile)
        yield Finding(
            code="single-buffer",
            message=f"instructions wait {time_text(waited)} in all until the {where} of {name} is free again",
            lines=allocations_of(program, [tile]),
            evidence={"waited_ns": waited},
            share=run.share(waited),
            source="nki_perf_guide.rst, overlap of data movement and compute; the threshold of 2 % is assumed",
        )


def float32_matmuls(run: Run) -> Iterator[Finding]:
    timeline = run.timeline
    weights: dict[int, float] = {}
    executed = 0
    for number, (instruction, work, count) in enumerate(
        zip(timeline.instructions, timeline.works, timeline.counts.tolist(), strict=True)
    ):
        moving = instruction.operands.get("moving")
        if work is not None and work.kind == MATMUL and isinstance(moving, AccessPattern) and moving.dtype is float32:
            weights[number] = float(run.busy[number])
            executed += count
    time_ns = sum(weights.values())
    if weights:
        yield Finding(
            code="float32-matmul",
            message=f"{executed:,} matmuls of float32 operands take {time_text(time_ns)}; the Tensor engine needs four "
            "passes for what takes one in bfloat16",
            lines=run.lines(weights),
            evidence={"instructions": executed, "busy_ns": time_ns},
            share=run.share(time_ns),
            source="nki.isa, nc_matmul; profile-schema-reference.rst, adjusted_flops",
        )


def cold_clock(run: Run) -> Iterator[Finding]:
    slow = run.timeline.slow_clock_ns
    if run.share(slow) < 0.05:
        return
    rows = run.timeline.rows[run.timeline.rows["lane"] == TENSOR]
    weights = {int(n): float(run.busy[n]) for n in np.unique(rows["instruction"])}
    yield Finding(
        code="cold-clock",
        message=f"the Tensor engine loses {time_text(slow)} to a clock at half speed: it warms up only while the "
        f"engine is kept busy, and it is busy {percent(run.metrics.tensor_active_ratio)} of the time",
        lines=run.lines(weights),
        evidence={"slow_clock_ns": slow},
        share=run.share(slow),
        source="overview-summary-page.rst, understanding throttling",
    )


def table_switches(run: Run) -> Iterator[Finding]:
    rows = run.timeline.rows
    loads = rows[rows["kind"] == TABLE_LOAD]
    # The first load of each function table cannot be avoided.
    tables = {work.table for work in run.timeline.works if work is not None and work.table}
    extra = len(loads) - len(tables)
    if extra <= 0:
        return
    time_ns = float((loads["issue_end_ns"] - loads["start_ns"]).sum()) * extra / len(loads)
    weights = {int(n): 1.0 for n in np.unique(loads["instruction"])}
    functions = sorted({str(run.timeline.instructions[n].attributes.get("op")) for n in weights})
    yield Finding(
        code="table-switch",
        message=f"the Scalar engine loads a function table {len(loads):,} times for {len(tables)} tables "
        f"({', '.join(functions)} take turns): {time_text(time_ns)} more than once each",
        lines=run.lines(weights),
        evidence={"table_loads": len(loads), "tables": len(tables), "repeated_ns": time_ns},
        share=run.share(time_ns),
        source="nki-dma-overview.rst, figure: a table load takes 1.3 µs; which functions share a table is assumed",
    )


def transposes(run: Run) -> Iterator[Finding]:
    metrics = run.metrics
    # A kernel without products is there to transpose.
    if metrics.model_flops == 0 or metrics.transpose_flops <= 0.1 * metrics.hardware_flops:
        return
    weights = {
        number: float(run.busy[number])
        for number, work in enumerate(run.timeline.works)
        if work is not None and work.lane == TENSOR and work.kind != MATMUL
    }
    share = metrics.transpose_flops / metrics.hardware_flops
    yield Finding(
        code="transposes",
        message=f"{percent(share)} of the Tensor engine's FLOPs only transpose data",
        lines=run.lines(weights),
        evidence={"transpose_flops": metrics.transpose_flops, "hardware_flops": metrics.hardware_flops},
        share=metrics.transpose_ratio * metrics.tensor_active_ratio,
        source="overview-summary-page.rst: transpose FLOPs above 10 % of the hardware FLOPs",
    )
