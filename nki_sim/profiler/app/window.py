"""Window: the stretch of time on the screen and the cursor in it; every change gives a new one within the run."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nki_sim.profiler.app.tracks import Floats

SMALLEST_SPAN_NS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """[start_ns, start_ns + span_ns) of [0, total_ns), drawn in `cells` cells, with a cursor inside.

    Always: 0 <= start, start + span <= total, least span <= span, start <= cursor <= start + span.
    """

    total_ns: float
    start_ns: float
    span_ns: float
    cursor_ns: float
    cells: int

    @staticmethod
    def whole(total_ns: float, cells: int) -> Window:
        """All of a run, the cursor at its beginning."""
        total = max(total_ns, SMALLEST_SPAN_NS)
        return Window(total_ns=total, start_ns=0.0, span_ns=total, cursor_ns=0.0, cells=max(1, cells))

    @property
    def end_ns(self) -> float:
        return self.start_ns + self.span_ns

    @property
    def cell_ns(self) -> float:
        return self.span_ns / self.cells

    @property
    def zoom(self) -> float:
        """1 when all of the run shows."""
        return self.total_ns / self.span_ns

    @property
    def edges(self) -> Floats:
        """The times at the edges of the cells, cells + 1 of them."""
        found: Floats = self.start_ns + np.arange(self.cells + 1, dtype=np.float64) * (self.span_ns / self.cells)
        return found

    @property
    def cursor_cell(self) -> int:
        return self.cell_of(self.cursor_ns)

    def cell_of(self, time_ns: float) -> int:
        """The cell a time lies in, the nearest one for a time outside."""
        # A hair of tolerance, so that the edge of a cell, computed, falls into that cell.
        return min(self.cells - 1, max(0, int((time_ns - self.start_ns) / self.cell_ns + 1e-6)))

    def shows(self, time_ns: float) -> bool:
        return self.start_ns <= time_ns <= self.end_ns

    def resized(self, cells: int) -> Window:
        return replace(self, cells=max(1, cells))

    def panned(self, time_ns: float) -> Window:
        """Moved by a time, the cursor with it, as far as the run goes."""
        start = self._inside(self.start_ns + time_ns, self.span_ns)
        return replace(self, start_ns=start, cursor_ns=self.cursor_ns + start - self.start_ns)

    def zoomed(self, factor: float) -> Window:
        """`factor` times closer, the time under the cursor in its place."""
        span = min(self.total_ns, max(min(SMALLEST_SPAN_NS, self.total_ns), self.span_ns / factor))
        share = (self.cursor_ns - self.start_ns) / self.span_ns
        return replace(self, span_ns=span, start_ns=self._inside(self.cursor_ns - share * span, span))

    def with_cursor(self, time_ns: float) -> Window:
        """The cursor at a time; the window follows only when it has to, and then shows what lies around."""
        time = min(max(0.0, time_ns), self.total_ns)
        if self.shows(time):
            return replace(self, cursor_ns=time)
        return replace(self, cursor_ns=time, start_ns=self._inside(time - self.span_ns / 2, self.span_ns))

    def stepped(self, cells: int) -> Window:
        """The cursor moved by whole cells; at the border the window moves along, cell by cell."""
        time = self.start_ns + (self.cursor_cell + cells + 0.5) * self.cell_ns
        time = min(max(0.0, time), self.total_ns)
        if time < self.start_ns:
            start = self._inside(time - self.cell_ns / 2, self.span_ns)
        elif time >= self.end_ns:
            start = self._inside(time + self.cell_ns / 2 - self.span_ns, self.span_ns)
        else:
            start = self.start_ns
        return replace(self, start_ns=start, cursor_ns=min(max(time, start), start + self.span_ns))

    def framed(self, low_ns: float, high_ns: float, margin: float = 0.0) -> Window:
        """The stretch [low, high) and a margin (share of its length) on both sides."""
        length = max(high_ns - low_ns, 0.0)
        span = min(self.total_ns, max(min(SMALLEST_SPAN_NS, self.total_ns), length * (1 + 2 * margin)))
        start = self._inside((low_ns + high_ns - span) / 2, span)
        cursor = min(max(self.cursor_ns, max(low_ns, start)), min(high_ns, start + span))
        return replace(self, span_ns=span, start_ns=start, cursor_ns=cursor)

    def _inside(self, start_ns: float, span_ns: float) -> float:
        return max(0.0, min(start_ns, self.total_ns - span_ns))
