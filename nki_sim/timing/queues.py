"""DmaQueues: triggers of DMA transfers and the queues behind them, from the trigger instruction to the completion.

A queue belongs to a triggering engine and a way of making descriptors. Hardware-made and ready-made descriptors need
only the engine's sequencer, which goes on while the engine computes; software keeps GpSimd itself busy. The part of
Python that timing/native compiles.
"""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.timing.charges import Charge, Queue
from nki_sim.timing.pool import DmaPool


@dataclass(slots=True, eq=False, repr=False)
class Request:
    """What an instruction asks for that is shared, a transfer for the DMA engines; the first to ask is served first.

    arrival_ns   its first packet, if the engines are idle
    start_ns     the trigger instruction starts; queued: whether it waited for its queue or for software
    """

    arrival_ns: float = 0.0
    start_ns: float = 0.0
    queued: bool = False


@dataclass(slots=True, eq=False, repr=False)
class DmaQueues:
    """All queues of a run: `request` and `pass_on` in turn, or `request_hoisted` and `pass_hoisted`.

    gpsimd_ns   end of GpSimd's last instruction that was no trigger: software prepares nothing before

    Of the transfer that was passed last:
    trigger_end_ns   end of the trigger instruction, as long as its queue keeps it; free_ns: the sequencer can go on
    done_ns, end_ns  the last packet of the engines, after the first at pool.begun_ns; completion
    """

    pool: DmaPool
    dispatch_ns: float
    restart_ns: float
    lead_ns: float
    gpsimd_ns: float
    trigger_end_ns: float = 0.0
    free_ns: float = 0.0
    done_ns: float = 0.0
    end_ns: float = 0.0

    def request(
        self, request: Request, charge: Charge, queue: Queue, first_of_all: bool, free_ns: float, ready_ns: float
    ) -> None:
        """Trigger a transfer after those before it; its engine is free at `free_ns`, its data there at `ready_ns`."""
        start = free_ns if free_ns > ready_ns else ready_ns
        held = queue.next_ns
        if charge.prepare_ns != 0.0 and not first_of_all:
            # Software prepares the next descriptors while those before are triggered, but not before the data are
            # there. Time begins with the first trigger: what prepared that one lies before it.
            held = max(held, max(ready_ns, self.gpsimd_ns) + charge.prepare_ns)
        request.queued = held > start
        request.start_ns = max(start, held)
        # A queue keeps its order.
        request.arrival_ns = max(request.start_ns + charge.first_ns, queue.begun_ns)

    def pass_on(self, request: Request, charge: Charge, queue: Queue) -> None:
        """Pass the packets of a transfer that is served now."""
        self.packets(request, charge, queue)
        queue.next_ns = max(request.start_ns + charge.spacing_ns, self.trigger_end_ns)

    def request_hoisted(
        self, request: Request, charge: Charge, queue: Queue, first_of_all: bool, ready_ns: float
    ) -> None:
        """Trigger a load at the first moment its queue has for it, before triggers that came earlier if it can."""
        ready = ready_ns if first_of_all else ready_ns + charge.prepare_ns
        request.start_ns = queue.taken.gap(ready, charge.spacing_ns)
        request.queued = request.start_ns > ready
        request.arrival_ns = request.start_ns + charge.first_ns

    def pass_hoisted(self, request: Request, charge: Charge, queue: Queue) -> None:
        """As `pass_on`, for a hoisted load."""
        queue.taken.add(request.start_ns, request.start_ns + charge.spacing_ns)
        self.packets(request, charge, queue)

    def packets(self, request: Request, charge: Charge, queue: Queue) -> None:
        done = self.pool.place(request.arrival_ns, charge.pool_ns)
        queue.begun_ns = self.pool.begun_ns
        done = max(done, queue.begun_ns + charge.engine_ns)
        trigger_end = request.start_ns + charge.trigger_ns
        self.free_ns = trigger_end
        ring = queue.ring
        if ring is not None:
            trigger_end = max(trigger_end, ring.push(charge.moved_bytes, queue.begun_ns, done))
            self.free_ns = trigger_end if charge.on_sync else request.start_ns + self.dispatch_ns
        self.trigger_end_ns = trigger_end
        self.done_ns = done
        self.end_ns = done + charge.tail_ns
        if charge.loads:
            left = queue.done_ns - request.start_ns - charge.first_ns
            if left > 0.0 and left < self.lead_ns:
                # Engines fetch descriptors ahead; those that come when the load before is nearly done meet HBM's
                # latency anew. Loads behind it do not: their packets pass meanwhile.
                self.end_ns += self.restart_ns
            queue.done_ns = done
