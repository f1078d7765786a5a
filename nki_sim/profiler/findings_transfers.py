"""Rules about moving data: inputs read again and again, short rows, queues full of requests."""

from __future__ import annotations

from collections.abc import Iterator

from nki_sim.profiler.finding import Finding, Run
from nki_sim.profiler.metrics import reloads
from nki_sim.profiler.naming import tile_name
from nki_sim.profiler.triggers import queue_ns
from nki_sim.profiler.words import bytes_text, percent, time_text, times_text
from nki_sim.program.access import AccessPattern
from nki_sim.timing.lanes import LANES
from nki_sim.timing.transfers import contiguous_run


def reloaded(run: Run) -> Iterator[Finding]:
    timeline = run.timeline
    for one in reloads(timeline):
        if one.times < 1.5:
            continue
        weights: dict[int, float] = {}
        for number, (instruction, count) in enumerate(
            zip(timeline.instructions, timeline.counts.tolist(), strict=True)
        ):
            source = instruction.operands.get("src")
            if instruction.op == "dma_copy" and isinstance(source, AccessPattern) and source.tensor is one.tensor:
                weights[number] = float(source.nbytes * count)
        name = tile_name(timeline.program, one.tensor)
        again = one.read_bytes * (1 - 1 / one.times)
        yield Finding(
            code="reload",
            message=f"{name} is loaded {times_text(one.times)}: {bytes_text(one.read_bytes)} read of a tensor of "
            f"{bytes_text(one.tensor.nbytes)}",
            lines=run.lines(weights),
            evidence={"times": one.times, "read_bytes": one.read_bytes, "tensor_bytes": one.tensor.nbytes},
            share=again / max(1, run.metrics.hbm_read_bytes),
            source="overview-summary-page.rst, useful_read_percent; the threshold of 1.5 is assumed",
        )


SMALL_BYTES = 2048
_LEAST_SHARE = 0.02


def small_transfers(run: Run) -> Iterator[Finding]:
    timeline = run.timeline
    weights: dict[int, float] = {}
    moved = transfers = taken = 0.0
    for number, (instruction, work, count) in enumerate(
        zip(timeline.instructions, timeline.works, timeline.counts.tolist(), strict=True)
    ):
        if work is None or work.transfer is None:
            continue
        sides = [one for one in instruction.operands.values() if isinstance(one, AccessPattern)]
        row = min(contiguous_run(one) * one.dtype.itemsize for one in sides)
        if row < SMALL_BYTES:
            weights[number] = float(work.transfer.descriptors * count)
            moved += work.transfer.moved_bytes * count
            transfers += count
            taken += work.transfer.pool_ns * count
    if weights and run.share(taken) >= _LEAST_SHARE:
        mean = moved / sum(weights.values())
        yield Finding(
            code="small-transfer",
            message=f"{transfers:,.0f} of {run.metrics.dma_transfers:,} transfers move less than 2 KiB in a row "
            f"({bytes_text(mean)} on average): the DMA engines pay for each row",
            lines=run.lines(weights),
            evidence={"transfers": transfers, "mean_row_bytes": mean, "moved_bytes": moved, "dma_ns": taken},
            share=run.share(taken),
            source="nki-dma-bandwidth-guide.rst: at least 2 KiB of contiguous data per partition; the threshold of 2 % "
            "of the time is assumed",
        )


def busy_queue(run: Run) -> Iterator[Finding]:
    works, counts = run.timeline.works, run.timeline.counts.tolist()
    for lane, time_ns in enumerate(queue_ns(run.timeline)):
        if run.share(time_ns) < 0.5:
            continue
        weights = {
            number: float(count)
            for number, (work, count) in enumerate(zip(works, counts, strict=True))
            if work is not None and work.transfer is not None and work.transfer.trigger == lane
        }
        number = sum(weights.values())
        yield Finding(
            code="busy-queue",
            message=f"the queue of {LANES[lane]} needs {percent(run.share(time_ns))} of the time to ask for "
            f"{number:,.0f} transfers, {time_text(time_ns / number)} each, whatever their size",
            lines=run.lines(weights),
            evidence={"triggers": number, "queue_ns": time_ns},
            share=run.share(time_ns),
            source="nki-dge.rst: each request occupies the engine that makes it; the threshold of 50 % is assumed",
        )
