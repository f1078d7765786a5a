"""Ports: what Vector shares with GpSimd (SBUF) and with Scalar (PSUM), and what the sharing costs.

NeuronCore-v2: the two may not use the memory at the same time, the compiler serialises them
(trainium_inferentia2_arch.rst). NeuronCore-v3 and newer: both at once, but Vector's 2x and 4x modes borrow GpSimd's bus
(trainium2_arch.rst); assumed: while GpSimd is at work such an instruction runs at 1x. Sharing of one PSUM bank by
Vector and Scalar has no published cost and none here.
"""

from __future__ import annotations

from collections.abc import Iterable

from nki_sim.timing.costs import Work
from nki_sim.timing.lanes import BUS_PORT, GPSIMD, PORTS
from nki_sim.timing.pool import Intervals


class Ports:
    """All shared ports of a run. Instructions come in the order in which they ask."""

    def __init__(self, hand_over_ns: float) -> None:
        self._busy = {port: Intervals() for port in PORTS}
        self._hand_over_ns = hand_over_ns

    def place(self, work: Work, start_ns: float) -> tuple[float, float]:
        """(start, interval) of an instruction that uses `work.ports` and could start at `start_ns`."""
        interval = work.interval_ns
        if work.ports == BUS_PORT:
            bus = self._busy[BUS_PORT]
            if work.lane == GPSIMD:
                bus.add(start_ns, start_ns + interval)
                return start_ns, interval
            slowed = min(bus.overlap(start_ns, start_ns + interval), work.stream_ns)
            return start_ns, interval + slowed * (work.speedup - 1.0)
        used = [self._busy[port] for port in PORTS if port & work.ports]
        start, waited = start_ns, True
        while waited:
            waited = False
            for busy in used:
                free = busy.gap(start, interval)
                if free > start:
                    start, waited = free + self._hand_over_ns, True
        for busy in used:
            busy.add(start, start + interval)
        return start, interval


def shared(works: Iterable[Work]) -> bool:
    """Whether two engines of a run meet at a port at all; most kernels need no ports."""
    users: dict[int, set[int]] = {}
    for work in works:
        for port in PORTS:
            if port & work.ports:
                users.setdefault(port, set()).add(work.lane)
    return any(len(lanes) > 1 for lanes in users.values())
