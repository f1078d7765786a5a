"""Waits: why a row started no earlier, in words."""

from __future__ import annotations

from nki_sim.profiler.app.model import Run
from nki_sim.profiler.stalls import Stall, written_space
from nki_sim.timing.lanes import LANES, STALLS, TRANSFER


def reason(run: Run, row: int) -> str:
    """``for dma_copy (dma load), line 51``: what a row waited for; "" when it did not wait."""
    timeline = run.timeline
    one = timeline.rows[row]
    cause, number, length = int(one["cause"]), int(one["instruction"]), float(one["stall_ns"])
    if not one["stall"] or not length > 0:
        return ""
    if one["kind"] == TRANSFER:
        return "for DMA engines that move other transfers"
    waited = Stall(
        engine=LANES[int(one["lane"])],
        cause=STALLS[int(one["stall"])],
        op="",
        span=None,
        cause_op="" if cause < 0 else timeline.instructions[cause].op,
        cause_span=run.span(cause),
        count=1,
        total_ns=length,
        longest_ns=length,
        space="" if number < 0 else written_space(timeline, number),
    )
    place = run.place(waited.cause_span)
    return f"{waited.reason}, {place}" if place else waited.reason
