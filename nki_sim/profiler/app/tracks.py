"""Tracks: intervals in order of their start, with what it takes to draw any window without walking over them.

Every question is answered by binary search at the edges or centres of the cells, so it costs cells x log(intervals).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Union:
    """The union of intervals given in order of start; `covered` measures it left of any time."""

    __slots__ = ("before", "end", "start")

    def __init__(self, start: Floats, end: Floats) -> None:
        # Cut what earlier intervals cover already: what is left is disjoint, so lengths add up to the union.
        if len(start):
            reach = np.maximum.accumulate(end)
            start = np.maximum(start, np.concatenate(([start[0]], reach[:-1])))
            kept = end > start
            start, end = start[kept], end[kept]
        self.start = start
        self.end = end
        self.before = np.concatenate(([0.0], np.cumsum(end - start)))

    def covered(self, times: Floats) -> Floats:
        """Length of the union left of each time."""
        if not len(self.start):
            return np.zeros(len(times))
        index = self.start.searchsorted(times, side="right")
        last = np.maximum(index - 1, 0)
        over = np.where(index > 0, np.maximum(self.end[last] - times, 0.0), 0.0)
        found: Floats = self.before[index] - over
        return found

    def between(self, low: float, high: float) -> float:
        """Length of the union within [low, high)."""
        left, right = self.covered(np.array([low, high]))
        return float(right - left)

    def shares(self, edges: Floats) -> Floats:
        """How much of each cell between neighbouring edges is covered, from 0 to 1."""
        width = np.maximum(np.diff(edges), 1e-30)
        found: Floats = np.clip(np.diff(self.covered(edges)) / width, 0.0, 1.0)
        # Differences of large prefix sums leave dust; less than a millionth of a cell is nothing.
        found[found < 1e-6] = 0.0
        return found


class Track:
    """Intervals in order of start. Position i is the i-th of them; overlapping ones are allowed."""

    __slots__ = ("end", "start", "union")

    def __init__(self, start: Floats, end: Floats) -> None:
        self.start = start
        self.end = end
        self.union = Union(start, end)

    def __len__(self) -> int:
        return len(self.start)

    def latest(self, times: Floats) -> Integers:
        """Position of the interval that started last at or before each time, -1 for none."""
        return self.start.searchsorted(times, side="right") - 1

    def pick(self, low: float, high: float) -> int | None:
        """The interval to name for a cell [low, high): the one across its middle, else the first that starts in it,
        else the last one that reaches into it."""
        if not len(self.start):
            return None
        middle = int(self.latest(np.array([(low + high) / 2]))[0])
        if middle >= 0 and self.end[middle] > (low + high) / 2:
            return middle
        first = int(self.start.searchsorted(low))
        if first < len(self.start) and self.start[first] < high:
            return first
        return middle if middle >= 0 and self.end[middle] > low else None

    def wide(self, edges: Floats, cells: float) -> Integers:
        """Positions of the intervals that take at least `cells` cells of the window, in order."""
        if not len(self.start) or len(edges) < 2:
            return np.empty(0, np.int64)
        centres = (edges[1:] + edges[:-1]) / 2
        found = self.latest(centres)
        found = np.unique(found[found >= 0])
        start, end = self.start[found], self.end[found]
        step = (edges[-1] - edges[0]) / (len(edges) - 1)
        kept: Integers = found[(end - start >= cells * step) & (end > edges[0]) & (start < edges[-1])]
        return kept


class Level:
    """A quantity that steps up and down: its value and its integral at any time."""

    __slots__ = ("before", "times", "values")

    def __init__(self, begins: Floats, ends: Floats, amounts: Floats) -> None:
        times = np.concatenate((begins, ends))
        changes = np.concatenate((amounts, -amounts))
        order = np.argsort(times, kind="stable")
        self.times = times[order]
        self.values = np.cumsum(changes[order])
        self.before = np.concatenate(([0.0], np.cumsum(self.values[:-1] * np.diff(self.times)))) if len(times) else None

    def at(self, time: float) -> float:
        index = int(self.times.searchsorted(time, side="right")) - 1
        return float(self.values[index]) if index >= 0 else 0.0

    def integral(self, times: Floats) -> Floats:
        """From the beginning to each time."""
        if self.before is None:
            return np.zeros(len(times))
        index = self.times.searchsorted(times, side="right") - 1
        last = np.maximum(index, 0)
        found: Floats = np.where(index >= 0, self.before[last] + self.values[last] * (times - self.times[last]), 0.0)
        return found


class Longest:
    """Finds the next value that is large enough: pairs, pairs of pairs, ... each with its largest value."""

    __slots__ = ("levels",)

    def __init__(self, values: Floats) -> None:
        self.levels = [values]
        while len(values) > 1:
            padded = np.append(values, -np.inf) if len(values) % 2 else values
            values = padded.reshape(-1, 2).max(axis=1)
            self.levels.append(values)

    def next(self, index: int, least: float) -> int | None:
        """The first position >= index whose value is at least `least`."""
        level = 0
        while level < len(self.levels) and index < len(self.levels[level]):
            if self.levels[level][index] >= least:
                return self._descend(level, index, least, first=True)
            if index % 2:
                index, level = (index + 1) // 2, level + 1
            else:
                index += 1
        return None

    def previous(self, index: int, least: float) -> int | None:
        """The last position <= index whose value is at least `least`."""
        level = 0
        index = min(index, len(self.levels[0]) - 1)
        while index >= 0 and level < len(self.levels):
            if self.levels[level][index] >= least:
                return self._descend(level, index, least, first=False)
            if index % 2:
                index -= 1
            else:
                index, level = index // 2 - 1, level + 1
        return None

    def _descend(self, level: int, index: int, least: float, *, first: bool) -> int:
        while level > 0:
            level -= 1
            left, right = 2 * index, 2 * index + 1
            here = self.levels[level]
            near, far = (left, right) if first else (right, left)
            index = near if near < len(here) and here[near] >= least else far
        return index


def most_at_once(start: Floats, end: Floats) -> int:
    """How many of the intervals, in order of start, overlap at most; one that ends as another starts does not."""
    if not len(start):
        return 0
    ended: Integers = np.sort(end).searchsorted(start, side="right")
    return int((np.arange(1, len(start) + 1) - ended).max())


def apart(start: Floats, end: Floats, most: int) -> Integers:
    """A number for each interval, in order of start, so that those of one number do not overlap: the least that is
    free. The last of `most` numbers takes whatever finds none."""
    free: list[float] = []
    found = np.zeros(len(start), np.int64)
    for position, (low, high) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        number = next((number for number, until in enumerate(free) if until <= low), len(free))
        number = min(number, most - 1)
        if number == len(free):
            free.append(high)
        free[number] = max(free[number], high)
        found[position] = number
    return found
