"""Jumps: to stalls, along dependences and the critical path, and to what an entry of a pane is about."""

from __future__ import annotations

from nki_sim.profiler.app.critical import WAIT, WORK
from nki_sim.profiler.app.model import Lane
from nki_sim.profiler.app.panes import Entry
from nki_sim.profiler.app.search import found_rows
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.waits import reason
from nki_sim.profiler.words import time_text


def stall(state: State, by: int, *, everywhere: bool = False) -> None:
    """To the next or previous instruction that waited for at least half a cell, on this lane or on any."""
    if not state.places:
        state.message = "nothing was executed"
        return
    places = range(len(state.places)) if everywhere else [state.current]
    least = state.window.cell_ns / 2
    one = state.selected
    time = float(one.lane.track.start[one.position]) if one is not None else state.window.cursor_ns
    best: tuple[float, int, int] | None = None
    for number in places:
        place = state.places[number]
        if place.run != state.places[state.current].run:
            continue
        lane = state.runs[place.run].lanes[place.lane]
        index = _wait_after(lane, time, least) if by > 0 else _wait_before(lane, time, least)
        if index is not None:
            at = float(lane.wait_starts[index])
            if best is None or (at < best[0] if by > 0 else at > best[0]):
                best = (at, number, index)
    if best is None:
        where = "any lane" if everywhere else state.lane.name if state.lane is not None else "the lane"
        side = "further" if by > 0 else "earlier"
        state.message = f"no {side} stall of {time_text(least)} or more on {where}; zoom in for shorter ones"
        return
    _, number, index = best
    place = state.places[number]
    lane = state.runs[place.run].lanes[place.lane]
    position = int(lane.wait_positions[index])
    run, row = state.runs[place.run], int(lane.rows[position])
    state.jump(place.run, row)
    state.message = f"waited {time_text(float(run.timeline.rows['stall_ns'][row]))} {reason(run, row)}"


def follow(state: State, forward: bool) -> None:
    """To the predecessor that ended last, or to the first successor."""
    one = state.selected
    if one is None:
        state.message = "nothing selected: the lane is idle here"
        return
    rows = state.successor_rows(one) if forward else state.predecessor_rows(one)
    if not rows:
        state.message = "nothing waited for it" if forward else "it waited for nothing"
        return
    ends = one.run.timeline.rows["end_ns"]
    row = rows[0] if forward else max(rows, key=lambda number: float(ends[number]))
    state.jump(state.places[state.current].run, row)


def mark_path(state: State) -> None:
    """Show or hide the critical path on the lanes."""
    state.path_shown = not state.path_shown
    if state.path_shown:
        state.message = f"critical path: {WORK} at work, {WAIT} waiting; ( ) go along it, 6 lists it, c hides it"


def path_step(state: State, by: int) -> None:
    """To the next or previous step of the critical path of the run under the cursor."""
    critical = state.run.critical
    one = state.selected
    number = None if one is None else critical.number_of(one.row)
    if number is not None:
        number += by
    else:
        number = critical.at(state.window.cursor_ns) + (1 if by > 0 else 0)
    if not 0 <= number < len(critical) or critical.step(number).row < 0:
        state.message = f"no {'further' if by > 0 else 'earlier'} step on the critical path"
        return
    step = critical.step(number)
    state.path_shown = state.on_path = True
    state.entry = None
    state.jump(state.places[state.current].run, step.row)
    parts = ", ".join(f"{cause} {time_text(length)}" for cause, length in step.parts)
    state.message = f"critical path, step {number + 1:,} of {len(critical):,}: {parts}"


def choose(state: State, number: int, entry: Entry) -> None:
    """Choose an entry of the pane and go to the first of its rows; the others are hits."""
    state.entry, state.on_path = number, False
    state.pointed = None
    rows = entry.rows()
    if not len(rows) or not state.places:
        state.pointed = next(iter(entry.spans), None)
        state.message = "no instruction comes from there" + ("; 3 shows the line" if state.pointed else "")
        return
    here = state.places[state.current].run
    none = rows[:0]
    state.found = tuple(
        found_rows(run, entry.what, entry.what, rows if number == here else none)
        for number, run in enumerate(state.runs)
    )
    state.jump(here, entry.first(rows))
    state.message = entry.what + (f"; n N: {len(rows):,} places" if len(rows) > 1 else "")


def _wait_after(lane: Lane, time_ns: float, least_ns: float) -> int | None:
    return lane.longest.next(int(lane.wait_starts.searchsorted(time_ns, side="right")), least_ns)


def _wait_before(lane: Lane, time_ns: float, least_ns: float) -> int | None:
    return lane.longest.previous(int(lane.wait_starts.searchsorted(time_ns)) - 1, least_ns)
