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
    begun_ns   when the first packet of its last transfer passes
    done_ns    when the last packet of its last load passes
    """

    ring: Ring | None
    taken: Intervals = field(default_factory=Intervals)
    next_ns: float = 0.0
    begun_ns: float = 0.0
    done_ns: float = -1.0


class Request(NamedTuple):
    """A stream of instructions that asks for what is shared, a transfer for the DMA engines; the first is served first.

    arrival_ns  its first packet, if the engines are idle
    instance    which asks; of those who ask at once, the first in the program comes first
    stream      whose instance it is
    start_ns    the trigger instruction starts; queued: whether it waited for its queue or for software
    """

    arrival_ns: float
    instance: int
    stream: int
    start_ns: float = 0.0
    queued: bool = False


Passage = tuple[float, float, float, float, float]
"""What became of one transfer, in ns; a plain tuple, for there are many:

end of the trigger instruction, as long as its queue keeps it; when the engine's sequencer can go on;
first and last packet of the engines; completion
"""


class DmaQueues:
    """All queues of a run: `request` and `pass_on` in turn, or `request_hoisted` and `pass_hoisted`."""

    def __init__(self, target: Target) -> None:
        self.pool = DmaPool()
        self._queues: dict[tuple[int, str], _Queue] = {}
        self._ring_bytes = target["dma.hwdge_queue_bytes"]
        self._dispatch_ns = target["dma.hwdge_dispatch_ns"]
        self._restart_ns = target["dma.restart_ns"]
        self._lead_ns = target["dma.restart_lead_ns"]
        # End of GpSimd's last instruction that was no trigger: software prepares nothing before.
        self.gpsimd_ns = target["launch.gpsimd_ns"]

    def request(self, transfer: Transfer, index: int, free_ns: float, ready_ns: float) -> Request:
        """Trigger a transfer after those before it; its engine is free at `free_ns`, its data there at `ready_ns`."""
        queue = self._queue(transfer)
        start = free_ns if free_ns > ready_ns else ready_ns
        held = queue.next_ns
        if transfer.prepare_ns and index:
            # Software prepares the next descriptors while those before are triggered, but not before the data are
            # there. Time begins with the first trigger: what prepared that one lies before it.
            prepared = max(ready_ns, self.gpsimd_ns) + transfer.prepare_ns
            held = held if held > prepared else prepared
        queued = held > start
        if queued:
            start = held
        first = start + transfer.first_ns
        # A queue keeps its order.
        arrival = first if first > queue.begun_ns else queue.begun_ns
        return Request(arrival, index, transfer.trigger, start, queued)

    def pass_on(self, transfer: Transfer, request: Request) -> Passage:
        """Pass the packets of a transfer that is served now."""
        queue = self._queue(transfer)
        passed = self._pass(queue, transfer, request)
        spaced = request.start_ns + transfer.spacing_ns
        queue.next_ns = max(spaced, passed[0])
        return passed

    def request_hoisted(self, transfer: Transfer, index: int, stream: int, ready_ns: float) -> Request:
        """Trigger a load at the first moment its queue has for it, before triggers that came earlier if it can."""
        queue = self._queue(transfer)
        ready = ready_ns + (transfer.prepare_ns if index else 0.0)
        start = queue.taken.gap(ready, transfer.spacing_ns)
        return Request(start + transfer.first_ns, index, stream, start, start > ready)

    def pass_hoisted(self, transfer: Transfer, request: Request) -> Passage:
        """As `pass_on`, for a hoisted load."""
        queue = self._queue(transfer)
        queue.taken.add(request.start_ns, request.start_ns + transfer.spacing_ns)
        return self._pass(queue, transfer, request)

    def _pass(self, queue: _Queue, transfer: Transfer, request: Request) -> Passage:
        begin, done = self.pool.place(request.arrival_ns, transfer.pool_ns)
        queue.begun_ns = begin
        if done < begin + transfer.engine_ns:
            done = begin + transfer.engine_ns
        trigger_end = request.start_ns + transfer.trigger_ns
        free = trigger_end
        if queue.ring is not None:
            released = queue.ring.push(transfer.moved_bytes, begin, done)
            if released > trigger_end:
                trigger_end = released
            free = trigger_end if transfer.trigger == SYNC else request.start_ns + self._dispatch_ns
        end = done + transfer.tail_ns
        if transfer.read_bytes:
            if 0.0 < queue.done_ns - request.start_ns - transfer.first_ns < self._lead_ns:
                # Engines fetch descriptors ahead; those that come when the load before is nearly done meet HBM's
                # latency anew. Loads behind it do not: their packets pass meanwhile.
                end += self._restart_ns
            queue.done_ns = done
        return trigger_end, free, begin, done, end

    def _queue(self, transfer: Transfer) -> _Queue:
        key = (transfer.trigger, transfer.mode)
        queue = self._queues.get(key)
        if queue is None:
            ring = Ring(self._ring_bytes) if transfer.mode == "hwdge" else None
            queue = self._queues[key] = _Queue(ring)
        return queue

    def occupies(self, transfer: Transfer) -> bool:
        """Whether the trigger keeps the engine itself busy and not only its sequencer."""
        return transfer.trigger == GPSIMD and transfer.mode == "swdge"
