"""Ports: what Vector shares with GpSimd (SBUF) and with Scalar (PSUM), and what the sharing costs.

NeuronCore-v2: the two may not use the memory at the same time, the compiler serialises them
(trainium_inferentia2_arch.rst). NeuronCore-v3 and newer: both at once, but Vector's 2x and 4x modes borrow GpSimd's bus
(trainium2_arch.rst); assumed: while GpSimd is at work such an instruction runs at 1x. Sharing of one PSUM bank by
Vector and Scalar has no published cost and none here. The part of Python that timing/native compiles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nki_sim.timing.charges import Charge
from nki_sim.timing.costs import Work
from nki_sim.timing.lanes import BUS_PORT, GPSIMD, PORTS, PSUM_PORT, SBUF_PORT
from nki_sim.timing.pool import Intervals


@dataclass(slots=True, eq=False, repr=False)
class Ports:
    """All shared ports of a run. Instructions come in the order in which they ask.

    interval_ns   of the instruction placed last, from its start to the next instruction's
    """

    hand_over_ns: float
    sbuf: Intervals = field(default_factory=Intervals)
    psum: Intervals = field(default_factory=Intervals)
    bus: Intervals = field(default_factory=Intervals)
    interval_ns: float = 0.0

    def place(self, charge: Charge, start_ns: float) -> float:
        """The start of an instruction that uses `charge.ports` and could start at `start_ns`."""
        interval = charge.interval_ns
        self.interval_ns = interval
        if charge.ports == BUS_PORT:
            if charge.lane == GPSIMD:
                self.bus.add(start_ns, start_ns + interval)
                return start_ns
            slowed = min(self.bus.overlap(start_ns, start_ns + interval), charge.stream_ns)
            self.interval_ns = interval + slowed * (charge.speedup - 1.0)
            return start_ns
        start = start_ns
        waited = True
        while waited:
            before = start
            start = self.free_at(charge, SBUF_PORT, self.sbuf, start)
            start = self.free_at(charge, PSUM_PORT, self.psum, start)
            start = self.free_at(charge, BUS_PORT, self.bus, start)
            waited = start > before
        if charge.ports & SBUF_PORT != 0:
            self.sbuf.add(start, start + interval)
        if charge.ports & PSUM_PORT != 0:
            self.psum.add(start, start + interval)
        if charge.ports & BUS_PORT != 0:
            self.bus.add(start, start + interval)
        return start

    def free_at(self, charge: Charge, port: int, busy: Intervals, start_ns: float) -> float:
        """When an instruction that could start at `start_ns` can have a port, if it needs it."""
        if charge.ports & port == 0:
            return start_ns
        free = busy.gap(start_ns, charge.interval_ns)
        return free + self.hand_over_ns if free > start_ns else start_ns


def shared(works: Iterable[Work]) -> bool:
    """Whether two engines of a run meet at a port at all; most kernels need no ports."""
    users: dict[int, set[int]] = {}
    for work in works:
        for port in PORTS:
            if port & work.ports:
                users.setdefault(port, set()).add(work.lane)
    return any(len(lanes) > 1 for lanes in users.values())
