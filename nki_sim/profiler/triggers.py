"""Triggers: what asking for transfers takes of each engine's queue, apart from waiting for room in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nki_sim.timing.lanes import ENGINES
from nki_sim.timing.timeline import Timeline


def trigger_ns(timeline: Timeline) -> npt.NDArray[np.float64]:
    """By static instruction: what its trigger takes when there is room; infinite for what is no transfer."""
    return np.array(
        [np.inf if work is None or work.transfer is None else work.transfer.trigger_ns for work in timeline.works]
    )


def queue_ns(timeline: Timeline) -> list[float]:
    """By engine lane: the least time its queues need for the triggers of this run, one after another."""
    found = [0.0] * ENGINES
    for work, count in zip(timeline.works, timeline.counts.tolist(), strict=True):
        if work is not None and work.transfer is not None:
            transfer = work.transfer
            found[transfer.trigger] += max(transfer.trigger_ns, transfer.spacing_ns) * count
    return found
