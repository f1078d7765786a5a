"""DmaPool: the DMA engines and the HBM behind them as one shared resource, first come first served with gaps filled.

Transfers come in the order in which they ask for it; one that comes a little late, because its queue is served later,
takes the idle time before transfers already placed. A transfer that uses c of the n engines for t ns takes c / n of
the pool's time and at least t ns to pass. This is a fluid approximation: on the device, packets of transfers that
share an engine interleave. The part of Python that timing/native compiles.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False, repr=False)
class Stretch:
    """Of time, among others in order of time."""

    start: float
    end: float
    before: Stretch | None = None
    after: Stretch | None = None


@dataclass(slots=True, eq=False, repr=False)
class Intervals:
    """Stretches of time, none overlapping. What is asked for mostly lies near the end."""

    last: Stretch | None = None

    def first_after(self, time_ns: float) -> Stretch | None:
        """The first that ends after `time_ns`."""
        found: Stretch | None = None
        one = self.last
        while one is not None and one.end > time_ns:
            found = one
            one = one.before
        return found

    def insert(self, start_ns: float, end_ns: float, following: Stretch | None) -> None:
        """Add a stretch before `following`, at the end when there is none."""
        made = Stretch(start_ns, end_ns, self.last, following)
        if following is None:
            self.last = made
        else:
            made.before = following.before
            following.before = made
        if made.before is not None:
            made.before.after = made

    def remove(self, one: Stretch) -> None:
        if one.before is not None:
            one.before.after = one.after
        if one.after is None:
            self.last = one.before
        else:
            one.after.before = one.before

    def gap(self, start_ns: float, length_ns: float) -> float:
        """The first moment from `start_ns` with `length_ns` free."""
        one = self.first_after(start_ns)
        while one is not None and one.start < start_ns + length_ns:
            start_ns = max(start_ns, one.end)
            one = one.after
        return start_ns

    def add(self, start_ns: float, end_ns: float) -> None:
        self.insert(start_ns, end_ns, self.first_after(start_ns))

    def overlap(self, start_ns: float, end_ns: float) -> float:
        """Time in use between the two."""
        one = self.first_after(start_ns)
        total = 0.0
        while one is not None and one.start < end_ns:
            total += min(one.end, end_ns) - max(one.start, start_ns)
            one = one.after
        return total


@dataclass(slots=True, eq=False, repr=False)
class DmaPool:
    """`place` gives time away.

    idle       stretches before `free_ns`, from when on all is free
    begun_ns   when the packets of the transfer placed last begin
    busy_ns    the pool time given away so far
    """

    idle: Intervals = field(default_factory=Intervals)
    free_ns: float = 0.0
    begun_ns: float = 0.0
    busy_ns: float = 0.0

    def place(self, ready_ns: float, work_ns: float) -> float:
        """Give `work_ns` of pool time from `ready_ns` on, in pieces where it has to be; when the last one ends."""
        self.busy_ns += work_ns
        if ready_ns >= self.free_ns:
            if ready_ns > self.free_ns:
                self.idle.insert(self.free_ns, ready_ns, None)
            self.begun_ns = ready_ns
            self.free_ns = ready_ns + work_ns
            return self.free_ns
        idle = self.idle
        one = idle.first_after(ready_ns)
        begin = -1.0
        left = work_ns
        while one is not None:
            start = max(one.start, ready_ns)
            if begin < 0.0:
                begin = start
            take = min(left, one.end - start)
            left -= take
            if start > one.start:
                # The time before `start` stays idle.
                idle.insert(one.start, start, one)
            one.start = start + take
            if left <= 0.0:
                self.begun_ns = begin
                if one.start >= one.end:
                    idle.remove(one)
                return start + take
            if one.start >= one.end:
                idle.remove(one)
                one = one.after
        self.begun_ns = self.free_ns if begin < 0.0 else begin
        self.free_ns += left
        return self.free_ns


@dataclass(slots=True, eq=False, repr=False)
class Pending:
    """A transfer that may still be unfinished: `before`, bytes pushed before it; its bytes and when they move."""

    before: float
    moved_bytes: float
    begin_ns: float
    end_ns: float
    next: Pending | None = None


@dataclass(slots=True, eq=False, repr=False)
class Ring:
    """A hardware queue of bounded depth: a trigger is held until what its queue has not moved yet fits.

    `push` takes the transfers of one queue in order, with the time their packets take, and returns when the trigger is
    let go; a transfer moves its bytes evenly over its time.
    """

    limit_bytes: float
    pushed_bytes: float = 0.0
    first: Pending | None = None
    last: Pending | None = None

    def push(self, moved_bytes: float, begin_ns: float, end_ns: float) -> float:
        made = Pending(self.pushed_bytes, moved_bytes, begin_ns, end_ns)
        if self.last is None:
            self.first = made
        else:
            self.last.next = made
        self.last = made
        self.pushed_bytes += moved_bytes
        surplus = self.pushed_bytes - self.limit_bytes
        if surplus <= 0.0:
            return 0.0
        one = made if self.first is None else self.first
        while one.before + one.moved_bytes < surplus and one.next is not None:
            one = one.next
        self.first = one
        return one.begin_ns + (one.end_ns - one.begin_ns) * (surplus - one.before) / one.moved_bytes
