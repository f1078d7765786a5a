"""DmaPool: the DMA engines and the HBM behind them as one shared resource, first come first served with gaps filled.

Transfers reach the pool in program order but become ready in another; one that is ready early takes the idle time
before transfers already placed. A transfer that uses c of the n engines for t ns takes c / n of the pool's time and at
least t ns to pass. This is a fluid approximation: on the device, packets of transfers that share an engine interleave.
"""

from __future__ import annotations

from bisect import bisect_right


class DmaPool:
    """`place` returns when a transfer's packets begin and end; `busy_ns` is the pool time given away so far."""

    __slots__ = ("_ends", "_free", "_starts", "busy_ns")

    def __init__(self) -> None:
        self.busy_ns = 0.0
        self._free = 0.0
        # Idle stretches before `_free`, in order of time.
        self._starts: list[float] = []
        self._ends: list[float] = []

    def place(self, ready_ns: float, work_ns: float) -> tuple[float, float]:
        """Give `work_ns` of pool time from `ready_ns` on, in pieces where it has to be."""
        self.busy_ns += work_ns
        if ready_ns >= self._free:
            if ready_ns > self._free:
                self._starts.append(self._free)
                self._ends.append(ready_ns)
            self._free = ready_ns + work_ns
            return ready_ns, self._free
        starts, ends = self._starts, self._ends
        index = bisect_right(ends, ready_ns)
        begin = -1.0
        left = work_ns
        while index < len(starts):
            start, end = max(starts[index], ready_ns), ends[index]
            if begin < 0.0:
                begin = start
            take = min(left, end - start)
            left -= take
            if start > starts[index]:
                # The stretch before `start` stays idle.
                before = starts[index]
                starts[index] = start + take
                starts.insert(index, before)
                ends.insert(index, start)
                index += 1
            else:
                starts[index] = start + take
            if starts[index] >= ends[index]:
                del starts[index], ends[index]
            if left <= 0.0:
                return begin, start + take
        if begin < 0.0:
            begin = self._free
        self._free += left
        return begin, self._free
