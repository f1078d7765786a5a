"""DmaPool: the DMA engines and the HBM behind them as one shared resource, first come first served with gaps filled.

Transfers come in the order in which they ask for it; one that comes a little late, because its queue is served later,
takes the idle time before transfers already placed. A transfer that uses c of the n engines for t ns takes c / n of
the pool's time and at least t ns to pass. This is a fluid approximation: on the device, packets of transfers that
share an engine interleave.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque


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


class Ring:
    """A hardware queue of bounded depth: a trigger is held until what its queue has not moved yet fits.

    `push` takes the transfers of one queue in order, with the time their packets take, and returns when the trigger is
    let go; a transfer moves its bytes evenly over its time.
    """

    __slots__ = ("_limit", "_pending", "_total")

    def __init__(self, limit_bytes: float) -> None:
        self._limit = limit_bytes
        self._total = 0.0
        # (bytes pushed before it, its bytes, begin, end) of the transfers that may still be unfinished.
        self._pending: deque[tuple[float, float, float, float]] = deque()

    def push(self, moved_bytes: float, begin_ns: float, end_ns: float) -> float:
        self._pending.append((self._total, moved_bytes, begin_ns, end_ns))
        self._total += moved_bytes
        surplus = self._total - self._limit
        if surplus <= 0.0:
            return 0.0
        before, size, begin, end = self._pending[0]
        while before + size < surplus:
            self._pending.popleft()
            before, size, begin, end = self._pending[0]
        return begin + (end - begin) * (surplus - before) / size


class Intervals:
    """Intervals in use, in order of time, none overlapping."""

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts: list[float] = []
        self.ends: list[float] = []

    def gap(self, start_ns: float, length_ns: float) -> float:
        """The first moment from `start_ns` with `length_ns` free."""
        starts, ends = self.starts, self.ends
        index = bisect_right(ends, start_ns)
        while index < len(starts) and starts[index] < start_ns + length_ns:
            start_ns = max(start_ns, ends[index])
            index += 1
        return start_ns

    def add(self, start_ns: float, end_ns: float) -> None:
        index = bisect_right(self.ends, start_ns)
        self.starts.insert(index, start_ns)
        self.ends.insert(index, end_ns)

    def overlap(self, start_ns: float, end_ns: float) -> float:
        """Time in use between the two."""
        index = bisect_right(self.ends, start_ns)
        total = 0.0
        while index < len(self.starts) and self.starts[index] < end_ns:
            total += min(self.ends[index], end_ns) - max(self.starts[index], start_ns)
            index += 1
        return total
