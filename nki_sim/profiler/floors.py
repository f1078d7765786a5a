"""Floors: what each engine, the DMA engines and the trigger queues need at the very least for the work of a run.

No order of the same work is faster, so a change that leaves one of them its work cannot bring the total below it. That
tells without a replay which changes are not worth one.
"""

from __future__ import annotations

from collections.abc import Iterable

from nki_sim.timing.lanes import COMPUTE, ENGINES, LANES, TENSOR, WHOLE_ARRAY
from nki_sim.timing.timeline import Timeline

DMA, TRIGGERS = "dma", "triggers"
EVERYTHING = frozenset({*LANES[:ENGINES], DMA, TRIGGERS})
# Floors and totals are sums in different orders.
_ROUNDING = 1e-9


def floors(timeline: Timeline, *, hoisting: bool = False) -> dict[str, float]:
    """By name of an engine, DMA or TRIGGERS: nanoseconds that the work there takes with nothing ever waited for.

    `hoisting` as in timing.simulate: a queue then keeps its triggers apart, but not behind each other.
    """
    found = [0.0] * ENGINES
    queues: dict[tuple[int, str], float] = {}
    target = timeline.target
    clock, issue_cycles = target["tensor.stream_ghz"], target["tensor.issue_cycles"]
    gated = bool(target["clock_gate.enabled"])
    slowest = 1.0 / target["clock_gate.cold_ratio"] if gated else float("inf")
    pool = 0.0
    for work, count in zip(timeline.works, timeline.counts.tolist(), strict=True):
        if work is None:
            continue
        if work.transfer is not None:
            transfer = work.transfer
            pool += transfer.pool_ns * count
            queue = (transfer.trigger, transfer.mode)
            each = transfer.spacing_ns if hoisting else max(transfer.trigger_ns, transfer.spacing_ns)
            queues[queue] = queues.get(queue, 0.0) + each * count
        elif work.lane == TENSOR and work.cells == WHOLE_ARRAY:
            # Tiles of the array work side by side; what they take adds nothing that is certain.
            # At the slow clock the issue term is hidden, but the columns alone take longer.
            each = min(work.cycles + issue_cycles, work.cycles * slowest)
            found[TENSOR] += work.passes * each / clock * count
        elif work.kind == COMPUTE:
            found[work.lane] += work.interval_ns * count
    if gated:
        # A pass during which the clock turns slow has neither; there is one in a window at most.
        turns = timeline.total_ns / target["clock_gate.window_ns"] + 1.0
        found[TENSOR] = max(0.0, found[TENSOR] - turns * issue_cycles / clock)
    return {**dict(zip(LANES, found, strict=False)), DMA: pool, TRIGGERS: max(queues.values(), default=0.0)}


def least(found: dict[str, float], eased: Iterable[str]) -> tuple[float, str]:
    """(time, whose): the highest floor of those whose work a change leaves as it is."""
    left = {name: value for name, value in found.items() if name not in eased}
    name = max(left, key=left.__getitem__, default="")
    return left.get(name, 0.0) * (1.0 - _ROUNDING), name
