"""DmaQueues: triggers of DMA transfers and the queues behind them, from the trigger instruction to the completion.

A queue belongs to a triggering engine and a way of making descriptors. Hardware-made and ready-made descriptors need
only the engine's sequencer, which goes on while the engine computes; software keeps GpSimd itself busy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from nki_sim.targets import Target
from nki_sim.timing.lanes import GPSIMD, SYNC
from nki_sim.timing.pool import DmaPool, Intervals, Ring
from nki_sim.timing.transfers import Transfer


@dataclass(slots=True)
class _Queue:
    """One engine's triggers of one kind.

    next_ns    earliest start of its next trigger
    taken      times of hoisted triggers, which do not come in order
    done_ns    when the last packet of its last load passes
    """

    ring: Ring | None
    taken: Intervals = field(default_factory=Intervals)
    next_ns: float = 0.0
    done_ns: float = -1.0


class Passage(NamedTuple):
    """What became of one transfer.

    start_ns, trigger_end_ns    the trigger instruction, as long as its queue keeps it
    free_ns                     when the engine's sequencer can go on
    queued                      whether the trigger waited for its queue or for software
    first_ns, begin_ns, done_ns, end_ns    first packet possible; first and last packet of the engines; completion
    """

    start_ns: float
    trigger_end_ns: float
    free_ns: float
    queued: bool
    first_ns: float
    begin_ns: float
    done_ns: float
    end_ns: float


class DmaQueues:
    """All queues of a run. Transfers come in program order."""

    def __init__(self, target: Target) -> None:
        self.pool = DmaPool()
        self._queues: dict[tuple[int, str], _Queue] = {}
        self._ring_bytes = target["dma.hwdge_queue_bytes"]
        self._dispatch_ns = target["dma.hwdge_dispatch_ns"]
        self._restart_ns = target["dma.restart_ns"]
        self._lead_ns = target["dma.restart_lead_ns"]
        # End of GpSimd's last instruction that was no trigger: software prepares nothing before.
        self.gpsimd_ns = target["launch.gpsimd_ns"]

    def trigger(self, transfer: Transfer, free_ns: float, ready_ns: float, first_of_all: bool) -> Passage:
        """Pass a transfer after those before it; its engine is free at `free_ns`, its data are there at `ready_ns`."""
        queue = self._queue(transfer)
        start = free_ns if free_ns > ready_ns else ready_ns
        held = queue.next_ns
        if transfer.prepare_ns and not first_of_all:
            # Software prepares the next descriptors while those before are triggered, but not before the data are
            # there. Time begins with the first trigger: what prepared that one lies before it.
            prepared = max(ready_ns, self.gpsimd_ns) + transfer.prepare_ns
            held = held if held > prepared else prepared
        queued = held > start
        passed = self._pass(queue, transfer, held if queued else start, queued)
        spaced = passed.start_ns + transfer.spacing_ns
        queue.next_ns = spaced if spaced > passed.trigger_end_ns else passed.trigger_end_ns
        return passed

    def hoist(self, transfer: Transfer, ready_ns: float, first_of_all: bool) -> Passage:
        """Pass a load that takes the first moment its queue has for it, before triggers that came earlier if it can."""
        queue = self._queue(transfer)
        ready = ready_ns + (0.0 if first_of_all else transfer.prepare_ns)
        start = queue.taken.gap(ready, transfer.spacing_ns)
        queue.taken.add(start, start + transfer.spacing_ns)
        return self._pass(queue, transfer, start, start > ready)

    def _queue(self, transfer: Transfer) -> _Queue:
        key = (transfer.trigger, transfer.mode)
        queue = self._queues.get(key)
        if queue is None:
            ring = Ring(self._ring_bytes) if transfer.mode == "hwdge" else None
            queue = self._queues[key] = _Queue(ring)
        return queue

    def _pass(self, queue: _Queue, transfer: Transfer, start: float, queued: bool) -> Passage:
        """The packets of a transfer triggered at `start`."""
        first = start + transfer.first_ns
        earliest = first
        if transfer.read_bytes and 0.0 < queue.done_ns - first < self._lead_ns:
            # Engines fetch descriptors ahead; those that come when the load before is nearly done meet HBM's latency
            # anew.
            earliest = queue.done_ns + self._restart_ns
        begin, done = self.pool.place(earliest, transfer.pool_ns)
        if done < begin + transfer.engine_ns:
            done = begin + transfer.engine_ns
        trigger_end = start + transfer.trigger_ns
        free = trigger_end
        if queue.ring is not None:
            released = queue.ring.push(transfer.moved_bytes, begin, done)
            if released > trigger_end:
                trigger_end = released
            free = trigger_end if transfer.trigger == SYNC else start + self._dispatch_ns
        if transfer.read_bytes:
            queue.done_ns = done
        return Passage(start, trigger_end, free, queued, first, begin, done, done + transfer.tail_ns)

    def occupies(self, transfer: Transfer) -> bool:
        """Whether the trigger keeps the engine itself busy and not only its sequencer."""
        return transfer.trigger == GPSIMD and transfer.mode == "swdge"
