"""State: what is on the screen, and what moves and shows do to it. Plain Python; the widgets only draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nki_sim.profiler.app.model import UNFOLDED, Lane, Run
from nki_sim.profiler.app.search import Found, SearchIndex, found_rows
from nki_sim.profiler.app.window import Window
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import TRANSFER, TRIGGER

PANES = ("instruction", "region", "source", "memory", "summary", "path", "stalls", "advice")
_FRAME_MARGIN = 1.0
_LINKS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A lane on the screen: which run, and which of its lanes."""

    run: int
    lane: int


@dataclass(frozen=True, slots=True)
class Selected:
    """The row under the cursor: `position` along its lane, `row` in Timeline.rows."""

    run: Run
    lane: Lane
    position: int
    row: int

    @property
    def instance(self) -> int:
        return int(self.run.timeline.rows["instance"][self.row])

    @property
    def instruction(self) -> int:
        return int(self.run.timeline.rows["instruction"][self.row])


class State:
    """One or two runs, a window on their time, a cursor on one of the lanes.

    places      lanes from top to bottom; of two runs, lanes of one name stand together
    chosen      position the cursor was put on by a jump; None: whatever lies in the cursor's cell
    mark        the cell where a region was begun; region: the region, kept or following the cursor
    pane        index into PANES; message: what the last command has to say
    entry       index of the entry chosen in the pane; pointed: its line, where no instruction could be gone to
    path_shown  whether the lanes mark the critical path; on_path: whether the path's pane follows its steps
    """

    def __init__(self, runs: Sequence[Run], cells: int = 60) -> None:
        self.runs = tuple(runs)
        self.places = _places(self.runs)
        self.window = Window.whole(max(run.total_ns for run in self.runs), cells)
        self.current = 0
        self.chosen: int | None = None
        self.mark: tuple[float, float] | None = None
        self.kept: tuple[float, float] | None = None
        self.found: tuple[Found, ...] = ()
        self.pane = 0
        self.space = "sbuf"
        self.message = ""
        self.entry: int | None = None
        self.pointed: SourceSpan | None = None
        self.path_shown = False
        self.on_path = False
        self._indices: dict[int, SearchIndex] = {}
        self._history: list[tuple[int, str, int, float]] = []
        if self.places:
            self._start_at_first()

    # -- what is shown ------------------------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        return self.runs[self.places[self.current].run] if self.places else self.runs[0]

    @property
    def lane(self) -> Lane | None:
        if not self.places:
            return None
        place = self.places[self.current]
        return self.runs[place.run].lanes[place.lane]

    @property
    def cursor_edges(self) -> tuple[float, float]:
        """The cursor's cell as a stretch of time."""
        low = self.window.start_ns + self.window.cursor_cell * self.window.cell_ns
        return low, low + self.window.cell_ns

    @property
    def selected(self) -> Selected | None:
        """The row under the cursor; None where the lane is idle."""
        lane = self.lane
        if lane is None:
            return None
        position = self.chosen if self.chosen is not None else lane.track.pick(*self.cursor_edges)
        return None if position is None else Selected(self.run, lane, position, int(lane.rows[position]))

    @property
    def following(self) -> tuple[int, int] | None:
        """(position, row) of the next row after an idle cursor."""
        lane = self.lane
        if lane is None:
            return None
        position = int(lane.track.start.searchsorted(self.window.cursor_ns))
        return (position, int(lane.rows[position])) if position < len(lane.rows) else None

    @property
    def region(self) -> tuple[float, float] | None:
        """The marked stretch of time."""
        if self.mark is None:
            return self.kept
        low, high = self.cursor_edges
        return min(self.mark[0], low), max(self.mark[1], high)

    def predecessor_rows(self, one: Selected) -> list[int]:
        """The rows whose results (or places) the selected one waited for; of a transfer, its trigger."""
        own = one.run.rows_of(one.instance)
        if one.run.timeline.rows["kind"][one.row] == TRANSFER and len(own) > 1:
            return [int(own[0])]
        found = [one.run.rows_of(link.instance) for link in one.run.graph.predecessors(one.instance)]
        return [int(rows[-1]) for rows in found if len(rows)]

    def successor_rows(self, one: Selected) -> list[int]:
        """The first rows of those that waited for the selected one; of a trigger, its transfer."""
        own = one.run.rows_of(one.instance)
        if one.run.timeline.rows["kind"][one.row] == TRIGGER and len(own) > 1:
            return [int(own[-1])]
        links = one.run.graph.successors(one.instance, _LINKS_SHOWN)
        found = [one.run.rows_of(link.instance) for link in links]
        return [int(rows[0]) for rows in found if len(rows)]

    # -- moving -------------------------------------------------------------------------------------------------------

    def resize(self, cells: int) -> None:
        if cells != self.window.cells:
            self.window = self.window.resized(cells)

    def step(self, cells: int) -> None:
        """Move the cursor by cells."""
        self.chosen = None
        self.window = self.window.stepped(cells)

    def pan(self, screens: float) -> None:
        """Move the window by a share of its length, the cursor with it; at the border the cursor alone."""
        self.chosen = None
        before = self.window.start_ns
        self.window = self.window.panned(screens * self.window.span_ns)
        if self.window.start_ns == before:
            self.window = self.window.with_cursor(before + (self.window.span_ns if screens > 0 else 0.0))

    def home(self) -> None:
        self.chosen = None
        self.window = self.window.with_cursor(0.0)

    def end(self) -> None:
        self.chosen = None
        self.window = self.window.with_cursor(self.run.total_ns)

    def move_lane(self, by: int) -> None:
        """To another lane, at the same time."""
        if self.places:
            self.current = min(len(self.places) - 1, max(0, self.current + by))
            self.chosen = None

    def point(self, place: int, cell: int) -> None:
        """Put the cursor on a cell of a lane."""
        if 0 <= place < len(self.places):
            self.current = place
            self.chosen = None
            self.window = self.window.with_cursor(self.window.start_ns + (cell + 0.5) * self.window.cell_ns)

    def zoom(self, factor: float) -> None:
        one = self.selected
        self.window = self.window.zoomed(factor)
        # What the cursor stood on stays selected, so that zooming in shows it and nothing else.
        self.chosen = None if one is None else one.position

    def whole(self) -> None:
        """All of the run."""
        one = self.selected
        cursor = self.window.cursor_ns
        self.window = Window.whole(self.window.total_ns, self.window.cells).with_cursor(cursor)
        self.chosen = None if one is None else one.position

    def frame(self) -> None:
        """Zoom to the region, or to the selected row."""
        region = self.region
        if region is not None:
            if self.mark is not None:
                self.mark, self.kept = None, region
            self.window = self.window.framed(*region)
            self.chosen = None
            return
        one = self.selected
        if one is None:
            self.message = "nothing to zoom to: the lane is idle here"
            return
        low, high = float(one.lane.track.start[one.position]), float(one.lane.track.end[one.position])
        self.window = self.window.with_cursor(low).framed(low, high, _FRAME_MARGIN)
        self.chosen = one.position

    # -- jumping ------------------------------------------------------------------------------------------------------

    def select(self, position: int, current: int | None = None) -> None:
        """Put the cursor on a position of a lane (the current one) and show it."""
        self.current = self.current if current is None else current
        lane = self.lane
        assert lane is not None
        self.chosen = min(max(0, position), len(lane.rows) - 1)
        self.window = self.window.with_cursor(float(lane.track.start[self.chosen]))

    def jump(self, run: int, row: int) -> None:
        """Put the cursor on a row, remembering where it was."""
        self._history.append(self._whereabouts())
        one = self.runs[run]
        place = Place(run, int(one.lane_of_row[row]))
        self.select(int(one.position_of_row[row]), self.places.index(place))

    def back(self) -> None:
        """To where the last jump began."""
        if not self._history:
            self.message = "no jump to go back from"
            return
        self._return_to(self._history.pop())

    def _whereabouts(self) -> tuple[int, str, int, float]:
        """Run, lane, row that was jumped to (-1 for none) and time: where the cursor is, however lanes are arranged."""
        lane = self.lane
        assert lane is not None
        row = -1 if self.chosen is None else int(lane.rows[self.chosen])
        return self.places[self.current].run, lane.name, row, self.window.cursor_ns

    def _return_to(self, whereabouts: tuple[int, str, int, float]) -> None:
        number, name, row, time = whereabouts
        run = self.runs[number]
        if row >= 0:
            lane, self.chosen = int(run.lane_of_row[row]), int(run.position_of_row[row])
        else:
            # A lane that was unfolded is now part of the one whose name its own begins with.
            names = [lane.name for lane in run.lanes]
            lane, self.chosen = (
                max((n for n in range(len(names)) if name.startswith(names[n])), key=lambda n: len(names[n])),
                None,
            )
        self.current = self.places.index(Place(number, lane))
        self.window = self.window.with_cursor(time)

    def neighbour(self, by: int) -> None:
        """The next or the previous instruction of the lane."""
        lane = self.lane
        if lane is None:
            return
        one = self.selected
        if one is not None:
            position = one.position + by
        else:
            position = int(lane.track.start.searchsorted(self.window.cursor_ns)) - (1 if by < 0 else 0)
        if not 0 <= position < len(lane.rows):
            self.message = f"no {'further' if by > 0 else 'earlier'} instruction on {lane.name}"
            return
        self.select(position)

    # -- unfolded queues ----------------------------------------------------------------------------------------------

    def unfold(self) -> None:
        """A lane for each transfer that a queue moves at once, or again one for each queue."""
        if all(run.unfolded.lanes == run.folded.lanes for run in self.runs):
            self.message = "no queue moves two transfers at once: there is nothing to unfold"
            return
        here = self._whereabouts()
        folded = self.run.arranged is self.run.folded
        for run in self.runs:
            run.arranged = run.unfolded if folded else run.folded
        self.places = _places(self.runs)
        self._return_to(here)
        if self.found:
            both = zip(self.runs, self.found, strict=True)
            self.found = tuple(found_rows(run, one.query, one.what, one.rows) for run, one in both)
        full = any(lane.at_once is not None for run in self.runs for lane in run.unfolded.lanes)
        limit = f"{UNFOLDED} lanes each at most" if full else "no two transfers on one lane"
        self.message = f"queues unfolded, {limit}; u folds them" if folded else "queues folded"

    # -- search -------------------------------------------------------------------------------------------------------

    def index(self, run: int) -> SearchIndex:
        """The words of a run; built at the first call."""
        if run not in self._indices:
            self._indices[run] = SearchIndex(self.runs[run])
        return self._indices[run]

    def search(self, query: str) -> None:
        """Find rows in all runs and go to the first at or after the cursor."""
        self.found = tuple(self.index(number).find(query) for number in range(len(self.runs)))
        if not query.strip():
            self.found = ()
            return
        if not len(self.found[self.places[self.current].run].rows if self.places else ()):
            self.message = f"no instruction matches {query.strip()!r}"
            return
        self.hit(1, here=True)

    def hit(self, by: int, *, here: bool = False) -> None:
        """To the next or previous row found; `here`: one that starts at the cursor counts."""
        run = self.places[self.current].run if self.places else 0
        if not self.found or not len(self.found[run].rows):
            self.message = "nothing searched for: / searches" if not self.found else "no hits"
            return
        found = self.found[run]
        one = self.selected
        index = -1
        time = self.window.cursor_ns
        if one is not None and not here:
            time = float(one.run.timeline.rows["start_ns"][one.row])
            low = int(found.starts.searchsorted(time))
            high = int(found.starts.searchsorted(time, side="right"))
            matches = (found.rows[low:high] == one.row).nonzero()[0]
            index = low + int(matches[0]) if len(matches) else -1
        if index >= 0:
            index += by
        elif by > 0:
            index = int(found.starts.searchsorted(time - 1e-9 if here else time, side="left" if here else "right"))
        else:
            index = int(found.starts.searchsorted(time)) - 1
        index %= len(found.rows)
        self.jump(run, int(found.rows[index]))
        self.message = f"{found.what}: {index + 1} of {len(found.rows)}"

    # -- region and panes ---------------------------------------------------------------------------------------------

    def toggle_mark(self) -> None:
        """Begin a region at the cursor, or keep the one that was begun."""
        if self.mark is None:
            self.mark, self.kept = self.cursor_edges, None
            self.message = "region begun: move, then v to keep it, z to zoom to it, escape to drop it"
        else:
            self.kept, self.mark = self.region, None
        self.show(PANES.index("region"))

    def mark_cells(self, first: int, last: int) -> None:
        """The region from one cell of the window to another, both included."""
        low, high = min(first, last), max(first, last) + 1
        start, cell = self.window.start_ns, self.window.cell_ns
        self.mark, self.kept = None, (start + low * cell, start + high * cell)
        self.show(PANES.index("region"))

    @property
    def any_marks(self) -> bool:
        """Whether there is something for `clear` to drop."""
        return bool(self.region or self.found or self.path_shown or self.entry is not None)

    def clear(self) -> None:
        """Drop region, search, chosen entry and the marks of the critical path."""
        self.mark = self.kept = None
        self.found = ()
        self.entry = self.pointed = None
        self.path_shown = self.on_path = False

    def show(self, pane: int) -> None:
        if pane % len(PANES) != self.pane:
            self.entry = None
        self.pane = pane % len(PANES)

    def other_memory(self) -> None:
        self.space = "psum" if self.space == "sbuf" else "sbuf"
        self.show(PANES.index("memory"))

    def _start_at_first(self) -> None:
        """The cursor on the instruction that starts first."""
        starts = [self.runs[place.run].lanes[place.lane].track.start[0] for place in self.places]
        self.select(0, min(range(len(starts)), key=lambda number: float(starts[number])))


def _places(runs: Sequence[Run]) -> list[Place]:
    order = _merged([[lane.name for lane in run.lanes] for run in runs])
    where = [{lane.name: number for number, lane in enumerate(run.lanes)} for run in runs]
    return [Place(run, lanes[name]) for name in order for run, lanes in enumerate(where) if name in lanes]


def _merged(orders: Sequence[Sequence[str]]) -> list[str]:
    """All names, each list's order kept: a name new to the list goes behind the one before it."""
    merged: list[str] = []
    for order in orders:
        after = 0
        for name in order:
            if name in merged:
                after = merged.index(name) + 1
            else:
                merged.insert(after, name)
                after += 1
    return merged
