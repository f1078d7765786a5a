"""The lanes as lines: title, one line per engine and queue, the axis with cursor and region, and what is selected."""

from __future__ import annotations

from math import ceil, floor, log10

from nki_sim.profiler.app.drawing import SHADES, extent, paint, paint_waits, styled
from nki_sim.profiler.app.model import STALL_LETTERS, Run
from nki_sim.profiler.app.state import Place, Selected, State
from nki_sim.profiler.app.text import Line, Piece, fit
from nki_sim.profiler.app.window import Window
from nki_sim.profiler.words import time_text
from nki_sim.timing.lanes import STALLS

LABEL_CELLS = 14
FRAME_CELLS = LABEL_CELLS + 2
AROUND = 3
"""Lines beside the lanes: title above, axis and selection below."""

_STYLES = {
    "tensor": "cyan", "vector": "green", "scalar": "magenta", "gpsimd": "blue", "sync": "white", "q": "yellow",
}  # fmt: skip
_LETTERS = tuple(STALL_LETTERS[name] for name in STALLS)
_CURSOR, _BEFORE, _AFTER, _HIT = "@", "<", ">", "*"
_SELECTED_STYLE = "reverse bold"
_SHADE_STYLE = "bold white"
_LINK_STYLE = "bold reverse"
_HIT_STYLE = "bold underline"
_PATH_STYLE = "bold red"

_TICK_CELLS = 14

Overlay = dict[int, Piece]


def clock(time_ns: float) -> str:
    """A moment of the run: always in µs, to the nanosecond, so that moments compare at a glance."""
    return f"{time_ns / 1e3:,.3f} µs"


def lane_lines(state: State, width: int, height: int) -> list[Line]:
    """`height` lines of `width` cells. When the lanes do not fit, those around the cursor show."""
    state.resize(width - FRAME_CELLS)
    shown = max(1, height - AROUND)
    first = first_place(state, shown)
    lines = [fit(_title(state), width)]
    one = state.selected
    links = _links(state, one)
    path = _path(state)
    for number in range(first, min(len(state.places), first + shown)):
        lines.append(_lane(state, number, one, links, path))
    lines.append(_axis(state, len(state.places) - shown))
    lines.append(fit(_selection(state, one), width))
    return lines


def first_place(state: State, shown: int) -> int:
    """The first lane on the screen when `shown` of them fit."""
    return max(0, min(state.current - shown // 2, len(state.places) - shown))


def _title(state: State) -> Line:
    window = state.window
    stretch = f"{window.start_ns / 1e3:,.3f} to {clock(window.end_ns)}, x{window.zoom:.4g}"
    place = ("; shown: " + ("all" if window.zoom < 1.0005 else stretch), "")
    if len(state.runs) == 1:
        return [(state.run.title, "bold"), (f": {time_text(state.run.total_ns)}", ""), place]
    programs = {run.profile.program.name for run in state.runs}
    pieces: Line = [(f"{min(programs)}: " if len(programs) == 1 else "", "bold")]
    for run in state.runs:
        title = run.profile.target.name if len(programs) == 1 else run.title
        pieces += [(f"{run.name} {title}: ", "bold"), (f"{time_text(run.total_ns)}, ", "")]
    return [*pieces[:-1], (pieces[-1][0].rstrip(", "), ""), place]


def _path(state: State) -> dict[Place, dict[int, str]]:
    """By lane: the cells that mark the critical path, when it shows."""
    if not state.path_shown:
        return {}
    edges = state.window.edges
    return {
        Place(number, lane): cells
        for number, run in enumerate(state.runs)
        for lane, cells in run.critical.marks(run, edges).items()
    }


def _lane(
    state: State,
    number: int,
    one: Selected | None,
    links: dict[Place, tuple[Overlay, str, str]],
    path: dict[Place, dict[int, str]],
) -> Line:
    place = state.places[number]
    run = state.runs[place.run]
    lane = run.lanes[place.lane]
    edges = state.window.edges
    cells = paint(lane.track, edges, lambda position: run.label(int(lane.rows[position])), lane.at_once)
    paint_waits(cells, lane.waits, lane.wait_codes, edges, _LETTERS)
    over: Overlay = {}
    for cell, character in path.get(place, {}).items():
        over[cell] = (_over(cells[cell], character), _PATH_STYLE)
    if state.found:
        for cell in state.found[place.run].cells(place.lane, edges).tolist():
            over[cell] = (_over(cells[cell], _HIT), _HIT_STYLE)
    marks, left, right = links.get(place, ({}, "│", "│"))
    over.update(marks)
    current = number == state.current
    if current:
        if one is not None:
            first, stop, _, _ = extent(lane.track, one.position, edges)
            for cell in range(first, stop):
                if cell not in marks:
                    over[cell] = ("", _SHADE_STYLE if cells[cell] in SHADES else _SELECTED_STYLE)
        over[state.window.cursor_cell] = (_CURSOR, _SELECTED_STYLE)
    label = lane_label(lane.name if len(state.runs) == 1 else f"{run.name} {lane.name}") + (">" if current else " ")
    style = _STYLES.get(lane.name.split()[0], "")
    return [(label, "bold" if current else ""), (left, ""), *styled(cells, style, over), (right, "")]


def _over(cell: str, character: str) -> str:
    """What to put over a cell: nothing over names, counts and the letters of waits, which stay readable."""
    return "" if cell.isalnum() or cell == "_" else character


def lane_label(name: str) -> str:
    """A lane's name in its cells; the number at the end of a long one, which tells queues unfolded apart, stays."""
    room = LABEL_CELLS - 1
    if len(name) > room:
        start, _, number = name.rpartition(" ")
        name = f"{start[: room - len(number) - 1]} {number}" if number.isdigit() else name[:room]
    return f"{name:<{room}}"


def _links(state: State, one: Selected | None) -> dict[Place, tuple[Overlay, str, str]]:
    """By lane: the marks of the selected row's predecessors and successors, and the borders that point to those off
    the screen."""
    if one is None:
        return {}
    found: dict[Place, tuple[Overlay, str, str]] = {}
    run = state.places[state.current].run
    window = state.window
    for rows, moment, character in (
        (state.successor_rows(one), "start", _AFTER),
        (state.predecessor_rows(one), "end", _BEFORE),
    ):
        for row in rows:
            place = Place(run, int(one.run.lane_of_row[row]))
            track = one.run.lanes[place.lane].track
            position = int(one.run.position_of_row[row])
            time = float(track.start[position]) if moment == "start" else float(track.end[position]) - 1e-6
            over, left, right = found.get(place, ({}, "│", "│"))
            if window.start_ns <= time < window.end_ns:
                over[window.cell_of(time)] = (character, _LINK_STYLE)
            elif time < window.start_ns:
                left = "<"
            else:
                right = ">"
            found[place] = (over, left, right)
    return found


def _axis(state: State, hidden: int) -> Line:
    """Times in µs, the cursor and the region; on the left how many lanes find no room above."""
    window = state.window
    cells = ["─"] * window.cells
    for cell, text in ticks(window):
        if not cell <= window.cursor_cell <= cell + len(text) and cell + len(text) < window.cells:
            cells[cell : cell + len(text) + 1] = list("┴" + text)
    region = state.region
    if region is not None and region[1] > window.start_ns and region[0] < window.end_ns:
        first, last = window.cell_of(region[0]), window.cell_of(region[1] - 1e-6)
        for cell in range(first, last + 1):
            cells[cell] = "="
        if region[0] >= window.start_ns - 1e-6:
            cells[first] = "{"
        if region[1] <= window.end_ns + 1e-6:
            cells[last] = "}"
    cells[window.cursor_cell] = "^"
    label = f"+{hidden} lane{'s' if hidden > 1 else ''}" if hidden > 0 else ""
    return [(f"{label:<{LABEL_CELLS - 4}} µs └", "dim"), ("".join(cells), ""), ("┘", "dim")]


def ticks(window: Window) -> list[tuple[int, str]]:
    """(cell, time) of the round times in the window, far enough apart for their texts."""
    least = window.cell_ns * _TICK_CELLS
    step = 10.0 ** floor(log10(least))
    step *= next(factor for factor in (1, 2, 5, 10, 20) if factor * step >= least)
    first = ceil(window.start_ns / step)
    last = floor(window.end_ns / step)
    times = [number * step for number in range(first, last + 1)]
    return [(window.cell_of(time), f"{time / 1e3:,.10g}") for time in times]


def _selection(state: State, one: Selected | None) -> Line:
    lane = state.lane
    if lane is None:
        return [("nothing was executed", "")]
    if one is None:
        return [(f"{lane.name} idle at {clock(state.window.cursor_ns)}", ""), (_next_text(state), "dim")]
    row = one.run.timeline.rows[one.row]
    length = float(row["issue_end_ns"] - row["start_ns"])
    text = f"{one.run.label(one.row)} #{one.instruction}, {clock(float(row['start_ns']))} + {time_text(length)}"
    return [(text, "bold"), (waited_text(one.run, one.row), ""), (_line_text(one.run, one.instruction), "dim")]


def waited_text(run: Run, row: int) -> str:
    """``; waited 375 ns (dma load)``, or nothing."""
    one = run.timeline.rows[row]
    stall = STALLS[int(one["stall"])]
    if not one["stall"] or not one["stall_ns"] > 0:
        return ""
    return f"; waited {time_text(float(one['stall_ns']))} ({stall})"


def _line_text(run: Run, instruction: int) -> str:
    place = run.place(run.span(instruction))
    return f"; {place}" if place else ""


def _next_text(state: State) -> str:
    following = state.following
    if following is None:
        return "; nothing follows"
    run, row = state.run, following[1]
    start = float(run.timeline.rows["start_ns"][row])
    return f"; next {run.label(row)} at {clock(start)}{waited_text(run, row)}"
