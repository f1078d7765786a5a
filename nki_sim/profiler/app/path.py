"""The path pane: what the critical path is made of, line by line, and then step by step."""

from __future__ import annotations

from functools import partial

from nki_sim.profiler.app.critical import Step
from nki_sim.profiler.app.lanes import clock
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import CHOSEN, Content, Entry
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.text import Line, columns, wrap
from nki_sim.profiler.critical_path import BUSY, MEANINGS
from nki_sim.profiler.words import percent, time_text

_LINES = 20
_LANE_CELLS = 13
_LABEL_CELLS = 22
_PLACE_FROM_CELLS = 100


def path_pane(state: State, width: int) -> Content:
    """The path of the run under the cursor."""
    found = Content()
    run = state.run
    critical, path = run.critical, run.profile.critical_path
    if not len(critical):
        found.add("nothing was executed")
        return found
    name = f"{run.name}: " if len(state.runs) > 1 else ""
    causes = ", ".join(f"{cause} {percent(time / path.total_ns)}" for cause, time in critical.by_cause.items())
    text = f"critical path: {len(critical):,} steps, {time_text(path.total_ns)} in all: {causes}"
    found.head_lines += wrap(text, width, "  ", name, "bold")[:2]
    found.head("by line", "J K choose one and go to it; n N go on from there")
    shares = path.shares[:_LINES]
    rows = [("in all", "share", "times", "lane", "spent on", "at")]
    for one in shares:
        where = f"{run.place(one.span)} {one.op}".strip()
        rows.append((time_text(one.total_ns), percent(one.total_ns / path.total_ns), f"{one.count:,}", one.lane,
                     one.cause, where))  # fmt: skip
    table = columns(rows, right=(0, 1, 2))
    found.add("  " + table[0], "dim")
    for one, text in zip(shares, table[1:], strict=True):
        what = f"on the critical path, {one.cause}: {run.place(one.span)} {one.op}".rstrip()
        entry = Entry(line=len(found.lines), what=what, rows=partial(critical.rows_of, one, run))
        found.choice(text, entry, state.entry)
    if len(path.shares) > _LINES:
        rest = sum(one.total_ns for one in path.shares[_LINES:])
        found.add(f"  and {len(path.shares) - _LINES:,} more, {time_text(rest)}", "dim")
    used = {one.cause for one in path.shares}
    meanings = "; ".join(f"{cause}: {meaning}" for cause, meaning in MEANINGS.items() if cause in used)
    found.lines += wrap(meanings, width, "  ", "  ", "dim")
    found.head("step by step", "( ) go along it, c marks it on the lanes")
    one_row = state.selected.row if state.selected is not None else -1
    here = critical.number_of(one_row) if one_row >= 0 else None
    if state.on_path:
        found.focus = len(found.lines) + (critical.at(state.window.cursor_ns) if here is None else here)
    found.more = (len(critical), lambda number: _line(run, critical.step(number), number == here, width))
    return found


def _line(run: Run, step: Step, here: bool, width: int) -> Line:
    """Begin, length, lane and instruction of a step; then what of it was not work."""
    lane, label, place = "", "before the first instruction", ""
    if step.row >= 0:
        number = int(run.timeline.rows["instruction"][step.row])
        lane = run.lanes[int(run.lane_of_row[step.row])].name
        label, place = f"{run.label(step.row)} #{number}", run.place(run.span(number))
    text = f"{clock(step.start_ns):>12} + {time_text(step.length_ns):<9} {lane:<{_LANE_CELLS}} {label:<{_LABEL_CELLS}} "
    if width >= _PLACE_FROM_CELLS:
        text += f"{place:<10} "
    parts = [f"{cause} {time_text(length)}" for cause, length in step.parts if cause != BUSY]
    return [(CHOSEN if here else " " * len(CHOSEN), "bold"), (text, "bold" if here else ""), (", ".join(parts), "dim")]


def on_path(run: Run, row: int) -> str:
    """Whether a row is on the critical path and what of the total that makes, in words."""
    number = run.critical.number_of(row)
    if number is None:
        return "not on the critical path"
    step = run.critical.step(number)
    share = percent(step.length_ns / run.total_ns) if run.total_ns else ""
    parts = ", ".join(f"{cause} {time_text(length)}" for cause, length in step.parts)
    return f"on the critical path, {share} of the total: {parts}"
