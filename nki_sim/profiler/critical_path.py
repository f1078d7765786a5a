"""The critical path: the chain of work, signals and queues that the total time is the length of.

Found backwards from the row that ends last. What made a row start when it did is in the timeline: the row before it on
its lane, the instruction it waited for, or the trigger of a transfer. The segments follow each other without a gap, so
their lengths add up to the total; where the timeline does not say why a lane stood still, the segment says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nki_sim.profiler.lines import lines_of
from nki_sim.profiler.triggers import trigger_ns
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import (
    LANES,
    NO_STALL,
    QUEUE_STALL,
    REUSE_STALL,
    STALLS,
    TABLE_STALL,
    TRANSFER,
    TRIGGER,
)
from nki_sim.timing.timeline import Timeline

BUSY = "busy"
DRAIN = "drain"
SIGNAL = "signal"
FIRST_PACKET = "first packet"
DMA_BUSY = "dma engines taken"
START = "start"
UNEXPLAINED = "unexplained"

MEANINGS = {
    BUSY: "at work",
    DRAIN: "the result on its way through the pipeline or memory",
    SIGNAL: "the semaphore from the instruction before it",
    FIRST_PACKET: "from the trigger to the first packet",
    DMA_BUSY: "behind other transfers on the DMA engines",
    START: "before the first instruction",
    UNEXPLAINED: "the timeline does not say",
}
"""Causes of a segment; any other is the name of a stall."""

_CLOSE_NS = 1e-6
_LOOK_BACK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of the path. `instruction` is its index (-1: none), `row` the timeline row that did or awaited it."""

    start_ns: float
    end_ns: float
    lane: str
    cause: str
    instruction: int
    row: int

    @property
    def length_ns(self) -> float:
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PathShare:
    """What one source line contributes to the path on one lane for one cause."""

    span: SourceSpan | None
    op: str
    lane: str
    cause: str
    count: int
    total_ns: float


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class CriticalPath:
    """`segments` in order of time, `shares` by length, longest first."""

    total_ns: float
    segments: Sequence[Segment]
    shares: Sequence[PathShare]

    def by_cause(self) -> dict[str, float]:
        """Nanoseconds by cause, most first."""
        found: dict[str, float] = {}
        for one in self.segments:
            found[one.cause] = found.get(one.cause, 0.0) + one.length_ns
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def find_critical_path(timeline: Timeline) -> CriticalPath:
    """The path of `timeline`; empty when nothing was executed."""
    segments = _Walk(timeline).run() if len(timeline.rows) else []
    return CriticalPath(total_ns=timeline.total_ns, segments=segments, shares=_shares(timeline, segments))


class _Walk:
    """The timeline's columns as lists, and for each row the one before it on its lane."""

    def __init__(self, timeline: Timeline) -> None:
        rows = timeline.rows
        self.timeline = timeline
        self.start: list[float] = rows["start_ns"].tolist()
        self.issued: list[float] = rows["issue_end_ns"].tolist()
        self.end: list[float] = rows["end_ns"].tolist()
        triggers = np.where(rows["kind"] == TRIGGER, trigger_ns(timeline)[rows["instruction"]], np.inf)
        self.own: list[float] = np.minimum(rows["issue_end_ns"], rows["start_ns"] + triggers).tolist()
        self.lane: list[int] = rows["lane"].tolist()
        self.kind: list[int] = rows["kind"].tolist()
        self.stall: list[int] = rows["stall"].tolist()
        self.late: list[float] = rows["stall_ns"].tolist()
        self.instance: list[int] = rows["instance"].tolist()
        self.instruction: list[int] = rows["instruction"].tolist()
        self.cause: list[int] = rows["cause"].tolist()
        self.before = np.full(len(rows), -1, np.int64)
        for lane in range(len(LANES)):
            own = np.flatnonzero(rows["lane"] == lane)
            self.before[own[1:]] = own[:-1]
        count = int(rows["instance"].max(initial=-1)) + 1
        self.first_row, self.last_row = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
        order = np.arange(len(rows))
        self.last_row[rows["instance"]] = order
        self.first_row[rows["instance"][::-1]] = order[::-1]
        moved = np.flatnonzero(rows["kind"] == TRANSFER)
        self.transfers = moved[np.argsort(rows["issue_end_ns"][moved], kind="stable")]
        self.transfer_ends = rows["issue_end_ns"][self.transfers]
        self.found: list[Segment] = []

    def run(self) -> list[Segment]:
        """Segments in order of time."""
        row = int(np.argmax(self.timeline.rows["end_ns"]))
        now = self.timeline.total_ns
        while row >= 0:
            start = self.start[row]
            worked = min(self.own[row], now)
            # A trigger goes on longer than it takes only while its queue has no room.
            self._add(max(worked, start), now, STALLS[QUEUE_STALL] if self.kind[row] == TRIGGER else DRAIN, row)
            self._add(start, worked, BUSY, row)
            now = min(now, start)
            row, now = self._earlier(row, now)
        self._add(0.0, now, START, -1)
        self.found.reverse()
        return self.found

    def _add(self, start: float, end: float, cause: str, row: int) -> None:
        if end > start:
            self.found.append(
                Segment(
                    start_ns=start,
                    end_ns=end,
                    lane=LANES[self.lane[row]] if row >= 0 else "",
                    cause=cause,
                    instruction=self.instruction[row] if row >= 0 else -1,
                    row=row,
                )
            )

    def _earlier(self, row: int, now: float) -> tuple[int, float]:
        """The row before `row` on the path, and the time at which the path leaves it."""
        if self.kind[row] == TRANSFER:
            return self._before_transfer(row, now)
        stall = self.stall[row]
        if 0 < stall <= REUSE_STALL or (self.cause[row] >= 0 and stall != NO_STALL):
            producer = self._producer(row)
            if producer >= 0:
                cause = SIGNAL if stall < REUSE_STALL else STALLS[stall]
                return self._step(row, producer, min(now, self.end[producer]), now, cause)
        before = self._blocker(row, now)
        if before < 0:
            return -1, now
        until = self.end[before] if stall == QUEUE_STALL else self.issued[before]
        cause = STALLS[stall] if stall not in (NO_STALL, TABLE_STALL) else UNEXPLAINED
        return self._step(row, before, min(now, until), now, cause)

    def _blocker(self, row: int, now: float) -> int:
        """The row before `row` on its lane that kept it: the last trigger for a queue, else one that ends just now.

        Rows of a lane may overlap (tiles of the array, triggers beside work), so the last need not be the one.
        """
        before = last = int(self.before[row])
        if self.stall[row] == QUEUE_STALL:
            while before >= 0 and self.kind[before] != TRIGGER:
                before = int(self.before[before])
            return before
        for _ in range(_LOOK_BACK):
            if before < 0:
                break
            if abs(self.issued[before] - now) <= _CLOSE_NS or abs(self.start[before] - now) <= _CLOSE_NS:
                return before
            before = int(self.before[before])
        return last

    def _step(self, row: int, before: int, leaves: float, now: float, cause: str) -> tuple[int, float]:
        if now - leaves > _CLOSE_NS:
            self._add(leaves, now, cause, row)
            return before, leaves
        return before, now

    def _before_transfer(self, row: int, now: float) -> tuple[int, float]:
        if self.late[row] > 0.0:
            # The transfer whose end made room, where one ends just then; else the wait is all we know.
            index = int(np.searchsorted(self.transfer_ends, now - _CLOSE_NS))
            if index < len(self.transfers) and abs(self.transfer_ends[index] - now) <= _CLOSE_NS:
                other = int(self.transfers[index])
                if other != row and self.start[other] < now:
                    return other, now
            self._add(max(0.0, now - self.late[row]), now, DMA_BUSY, row)
            now = max(0.0, now - self.late[row])
        trigger = int(self.first_row[self.instance[row]])
        if trigger == row or trigger < 0:
            return -1, now
        return self._step(row, trigger, min(now, self.issued[trigger]), now, FIRST_PACKET)

    def _producer(self, row: int) -> int:
        """The last row of the instance that `row` waited for longest."""
        best, until = -1, -1.0
        blamed = self.cause[row]
        for code in self.timeline.waits[self.instance[row]]:
            producer = int(self.last_row[code >> 1])
            if producer >= 0 and self.instruction[producer] == blamed and self.end[producer] > until:
                best, until = producer, self.end[producer]
        return best if until <= self.start[row] + _CLOSE_NS else -1


def _shares(timeline: Timeline, segments: Sequence[Segment]) -> list[PathShare]:
    line_of, spans = lines_of(timeline)
    totals: dict[tuple[int, str, str, str], tuple[int, float]] = {}
    for one in segments:
        known = one.instruction >= 0
        op = timeline.instructions[one.instruction].op if known else ""
        key = (int(line_of[one.instruction]) if known else -1, op, one.lane, one.cause)
        count, length = totals.get(key, (0, 0.0))
        totals[key] = (count + 1, length + one.length_ns)
    found = [
        PathShare(span=spans[line] if line >= 0 else None, op=op, lane=lane, cause=cause, count=count, total_ns=length)
        for (line, op, lane, cause), (count, length) in totals.items()
    ]
    return sorted(found, key=lambda one: -one.total_ns)
