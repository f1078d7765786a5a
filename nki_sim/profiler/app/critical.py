"""Critical: the critical path of a run, arranged so that a key finds its steps and a screen its cells by search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nki_sim.profiler.app.tracks import Floats, Integers, Union
from nki_sim.profiler.critical_path import BUSY, CriticalPath, PathShare

if TYPE_CHECKING:
    from nki_sim.profiler.app.model import Run

WORK, WAIT = "#", "~"
"""On the lanes: the path is at work here; it waits here, or for a result on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The path's stay with one row: waiting for it, its work, its result on the way. `parts` are (cause, length)."""

    start_ns: float
    end_ns: float
    row: int
    parts: tuple[tuple[str, float], ...]

    @property
    def length_ns(self) -> float:
        return self.end_ns - self.start_ns


class Critical:
    """The stretches of the path in order of time, and as steps: stretches of one row together."""

    def __init__(self, path: CriticalPath) -> None:
        self.path = path
        self.segments = segments = path.segments
        self.by_cause = path.by_cause()
        count = len(segments)
        self.starts: Floats = np.fromiter((one.start_ns for one in segments), np.float64, count)
        self.ends: Floats = np.fromiter((one.end_ns for one in segments), np.float64, count)
        self.rows: Integers = np.fromiter((one.row for one in segments), np.int64, count)
        self.busy = np.fromiter((one.cause == BUSY for one in segments), bool, count)
        changes = np.flatnonzero(np.diff(self.rows)) + 1
        self.first: Integers = np.concatenate(([0], changes)) if count else np.empty(0, np.int64)
        self._stop: Integers = np.append(self.first[1:], count)
        self.step_starts = self.starts[self.first]
        self._by_row: Integers = np.argsort(self.rows[self.first], kind="stable")
        self._sorted_rows = self.rows[self.first][self._by_row]
        self._of_kind: dict[tuple[str, str], list[int]] = {}
        for number, one in enumerate(segments):
            self._of_kind.setdefault((one.lane, one.cause), []).append(number)
        self._lanes: dict[int, list[tuple[int, Union, Union]]] = {}

    def __len__(self) -> int:
        """Steps."""
        return len(self.first)

    def step(self, number: int) -> Step:
        own = range(int(self.first[number]), int(self._stop[number]))
        return Step(
            start_ns=float(self.starts[own[0]]),
            end_ns=float(self.ends[own[-1]]),
            row=int(self.rows[own[0]]),
            parts=tuple((self.segments[i].cause, self.segments[i].length_ns) for i in own),
        )

    def number_of(self, row: int) -> int | None:
        """The step of a row; None when the path does not pass it."""
        index = int(self._sorted_rows.searchsorted(row))
        found = index < len(self._sorted_rows) and self._sorted_rows[index] == row
        return int(self._by_row[index]) if found else None

    def at(self, time_ns: float) -> int:
        """The step that the path is on at a time, -1 before the first."""
        return int(self.step_starts.searchsorted(time_ns, side="right")) - 1

    def rows_of(self, share: PathShare, run: Run) -> Integers:
        """The rows of the stretches that a share of the path adds up, in order of time."""
        rows = self.rows[self._of_kind.get((share.lane, share.cause), [])]
        rows = rows[rows >= 0]
        numbers = run.timeline.rows["instruction"][rows]
        on_line = run.line_of[numbers] == run.line_number(share.span)
        rows, numbers = rows[on_line], numbers[on_line]
        distinct, index = np.unique(numbers, return_inverse=True)
        same = np.array([run.timeline.instructions[number].op == share.op for number in distinct.tolist()], bool)
        found: Integers = rows[same[index]]
        return found[np.sort(np.unique(found, return_index=True)[1])]

    def marks(self, run: Run, edges: Floats) -> dict[int, dict[int, str]]:
        """By lane of the run as it is arranged: the cells to mark. In each cell it is the lane that the path spends
        most of the cell's time on, so that the path shows as one line across the lanes."""
        lanes = self._tracks(run)
        if not lanes:
            return {}
        shares = np.stack([union.shares(edges) for _, work, wait in lanes for union in (work, wait)])
        most = shares.argmax(axis=0)
        found: dict[int, dict[int, str]] = {}
        for cell, index in enumerate(most.tolist()):
            if shares[index, cell] > 0.0:
                found.setdefault(lanes[index // 2][0], {})[cell] = WAIT if index % 2 else WORK
        return found

    def _tracks(self, run: Run) -> list[tuple[int, Union, Union]]:
        key = id(run.arranged)
        if key not in self._lanes:
            lanes = np.where(self.rows >= 0, run.lane_of_row[self.rows], -1) if len(self.rows) else self.rows
            found = []
            for lane in np.unique(lanes[lanes >= 0]).tolist():
                parts = [(lanes == lane) & (self.busy == busy) for busy in (True, False)]
                work, wait = (Union(self.starts[part], self.ends[part]) for part in parts)
                found.append((int(lane), work, wait))
            self._lanes[key] = found
        return self._lanes[key]
