"""Packing lives into a row of bytes: which byte offset each block gets so that blocks alive together never meet.

Four strategies, tried in turn by `pack` until one fits. All lives are known beforehand; each strategy is O(n log n)
plus the walk over free pieces, of which there are few hundred at most.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

Strategy = Literal["rotate", "lowest", "ends", "by_size"]
# Placing by size compares each block with all placed ones; beyond this many blocks that costs seconds.
_BY_SIZE_LIMIT = 4000


class Block(NamedTuple):
    """`size` bytes needed from position `first` to position `last`, both included.

    align   the offset is a multiple of this
    bank    when set, a block no larger than this never straddles a multiple of it
    """

    key: int
    first: int
    last: int
    size: int
    align: int = 1
    bank: int = 0

    def offset_in(self, start: int, stop: int) -> int | None:
        """The lowest legal offset of the block in the free bytes [start, stop), or None."""
        offset = -(-start // self.align) * self.align
        if self.bank and self.size <= self.bank:
            room = self.bank - offset % self.bank
            if room < self.size:
                offset = -(-(offset + room) // self.align) * self.align
        return offset if offset + self.size <= stop else None

    def offset_below(self, start: int, stop: int) -> int | None:
        """The highest legal offset of the block in [start, stop), or None."""
        offset = (stop - self.size) // self.align * self.align
        if self.bank and self.size <= self.bank and offset % self.bank + self.size > self.bank:
            offset = ((offset // self.bank + 1) * self.bank - self.size) // self.align * self.align
        return offset if offset >= start else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Bytes [start, stop) that are taken from position `first` to position `last`, both included."""

    first: int
    last: int
    start: int
    stop: int


@dataclass(slots=True)
class FreeBytes:
    """The free pieces of a row of bytes: sorted, disjoint, never adjacent."""

    capacity: int
    starts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.capacity > 0:
            self.starts, self.stops = [0], [self.capacity]

    def take(self, start: int, stop: int) -> None:
        """Remove [start, stop), which must be free."""
        at = bisect_left(self.starts, start + 1) - 1
        low, high = self.starts[at], self.stops[at]
        if low < start and stop < high:
            self.stops[at] = start
            self.starts.insert(at + 1, stop)
            self.stops.insert(at + 1, high)
        elif low < start:
            self.stops[at] = start
        elif stop < high:
            self.starts[at] = stop
        else:
            del self.starts[at], self.stops[at]

    def give(self, start: int, stop: int) -> None:
        """Add [start, stop), which must not be free."""
        at = bisect_left(self.starts, start)
        joins_left = at > 0 and self.stops[at - 1] == start
        joins_right = at < len(self.starts) and self.starts[at] == stop
        if joins_left and joins_right:
            self.stops[at - 1] = self.stops[at]
            del self.starts[at], self.stops[at]
        elif joins_left:
            self.stops[at - 1] = stop
        elif joins_right:
            self.starts[at] = start
        else:
            self.starts.insert(at, start)
            self.stops.insert(at, stop)

    def pieces(self, cursor: int) -> Iterator[tuple[int, int]]:
        """Free pieces from `cursor` upwards, then those below it."""
        at = bisect_left(self.stops, cursor + 1)
        for index in range(at, len(self.starts)):
            yield max(self.starts[index], cursor), self.stops[index]
        for index in range(min(at + 1, len(self.starts))):
            yield self.starts[index], self.stops[index]


def pack(
    blocks: Sequence[Block], capacity: int, pinned: Sequence[Pinned] = (), strategies: Iterable[Strategy] = ("rotate",)
) -> dict[int, int] | None:
    """key -> byte offset of every block within [0, capacity), by the first strategy that fits all, or None."""
    ordered = sorted(blocks, key=lambda b: (b.first, b.key))
    for strategy in strategies:
        if strategy == "by_size":
            found = _by_size(blocks, capacity, pinned) if len(blocks) <= _BY_SIZE_LIMIT else None
        else:
            found = _in_time(ordered, capacity, _Blocked(pinned), strategy)
        if found is not None:
            return found
    return None


class _Blocked:
    """Pinned bytes by time."""

    def __init__(self, pinned: Sequence[Pinned]) -> None:
        self._first = np.array([p.first for p in pinned], dtype=np.int64)
        self._last = np.array([p.last for p in pinned], dtype=np.int64)
        self._start = np.array([p.start for p in pinned], dtype=np.int64)
        self._stop = np.array([p.stop for p in pinned], dtype=np.int64)

    def during(self, first: int, last: int) -> list[tuple[int, int]]:
        """Sorted, merged byte ranges pinned at some position from `first` to `last`."""
        if not len(self._first):
            return []
        alive = (self._first <= last) & (self._last >= first)
        pairs = np.unique(np.stack([self._start[alive], self._stop[alive]], axis=1), axis=0)
        return _merged((int(start), int(stop)) for start, stop in pairs)


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], stop))
        else:
            out.append((start, stop))
    return out


def _without(start: int, stop: int, blocked: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """[start, stop) minus the sorted ranges."""
    for low, high in blocked:
        if high <= start:
            continue
        if low >= stop:
            break
        if low > start:
            yield start, low
        start = max(start, high)
    if start < stop:
        yield start, stop


def _in_time(ordered: Sequence[Block], capacity: int, blocked: _Blocked, strategy: Strategy) -> dict[int, int] | None:
    """Place blocks as they come alive, freeing those that have died.

    rotate   next fit: continue where the last block ended, so that successive buffers get different bytes
    lowest   first fit from the bottom, which splits the row less
    ends     long lives from the top, short ones from the bottom, so that they do not split each other's room
    """
    free = FreeBytes(capacity)
    alive: list[tuple[int, int, int]] = []
    offsets: dict[int, int] = {}
    cursor = 0
    lengths = sorted(block.last - block.first for block in ordered)
    typical = lengths[len(lengths) // 2] if lengths else 0
    for block in ordered:
        while alive and alive[0][0] < block.first:
            _, start, stop = heapq.heappop(alive)
            free.give(start, stop)
        taken = blocked.during(block.first, block.last)
        top = strategy == "ends" and block.last - block.first > typical
        offset = _find(free, block, cursor if strategy == "rotate" else 0, taken, top=top)
        if offset is None:
            return None
        offsets[block.key] = offset
        if block.size:
            free.take(offset, offset + block.size)
            heapq.heappush(alive, (block.last, offset, offset + block.size))
        cursor = offset + block.size
    return offsets


def _find(free: FreeBytes, block: Block, cursor: int, blocked: list[tuple[int, int]], *, top: bool) -> int | None:
    if block.size == 0:
        return 0
    pieces = reversed(list(zip(free.starts, free.stops, strict=True))) if top else free.pieces(cursor)
    for start, stop in pieces:
        parts = _without(start, stop, blocked) if blocked else ((start, stop),)
        for low, high in reversed(list(parts)) if top else parts:
            offset = block.offset_below(low, high) if top else block.offset_in(low, high)
            if offset is not None:
                return offset
    return None


def _by_size(blocks: Sequence[Block], capacity: int, pinned: Sequence[Pinned]) -> dict[int, int] | None:
    """Largest blocks first, each at the lowest offset that no block placed before and alive together with it takes."""
    count = len(blocks) + len(pinned)
    first, last, start, stop = (np.zeros(count, dtype=np.int64) for _ in range(4))
    placed = 0
    for pin in pinned:
        first[placed], last[placed], start[placed], stop[placed] = pin.first, pin.last, pin.start, pin.stop
        placed += 1
    offsets: dict[int, int] = {}
    for block in sorted(blocks, key=lambda b: (-b.size, b.first - b.last, b.first, b.key)):
        alive = (first[:placed] <= block.last) & (last[:placed] >= block.first)
        pairs = zip(start[:placed][alive].tolist(), stop[:placed][alive].tolist(), strict=True)
        offset = None
        for low, high in _without(0, capacity, _merged(pairs)):
            offset = block.offset_in(low, high)
            if offset is not None:
                break
        if offset is None:
            if block.size:
                return None
            offset = 0
        offsets[block.key] = offset
        first[placed], last[placed] = block.first, block.last
        start[placed], stop[placed] = offset, offset + block.size
        placed += 1
    return offsets
