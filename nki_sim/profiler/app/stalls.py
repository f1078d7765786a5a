"""The stalls pane: what engines waited for, added up by cause, and by line and cause."""

from __future__ import annotations

import numpy as np

from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content, Entry, Reports
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.text import columns, wrap
from nki_sim.profiler.app.tracks import Integers
from nki_sim.profiler.reporters import stalls as report
from nki_sim.profiler.reporters.places import place
from nki_sim.profiler.stalls import Stall
from nki_sim.profiler.words import percent, time_text
from nki_sim.timing.lanes import LANES, STALLS, SYNC, TRIGGER

_WIDE_CELLS = 100


def stalls_pane(state: State, width: int, reports: Reports) -> Content:
    """Of the run under the cursor: engines and causes as shares of the time, then the stalls by line, longest first."""
    found = Content()
    run = state.run
    profile = run.profile
    if not profile.engine_times:
        found.add("nothing was executed")
        return found
    name = f"{run.name}: " if len(state.runs) > 1 else ""
    totals: dict[str, float] = {}
    for one in profile.engine_times:
        for cause, time in one.waits_ns.items():
            totals[cause] = totals.get(cause, 0.0) + time
    ordered = sorted(totals.items(), key=lambda pair: -pair[1])
    texts = [f"{cause} {time_text(time)}" for cause, time in ordered if time >= 0.5]
    text = f"all engines together waited for: {', '.join(texts)}" if texts else "no engine waited"
    found.head_lines += wrap(text, width, "  ", name, "bold")[:2]
    found.lines += reports.lines(("engines", id(run)), width, lambda: report.by_engine(profile, width))
    if not profile.stalls:
        return found
    lines = f" of {run.file}" if run.file else ""
    found.head(f"stalls by line{lines} and cause", "J K choose, n N go on")
    wide = width >= _WIDE_CELLS
    rows = [("in all", *(("share", "longest") if wide else ()), "times", "engine", "waits")]
    for stall in profile.stalls:
        share = percent(stall.total_ns / run.total_ns)
        cause = place(stall.cause_span, run.file)
        text = f"{place(stall.span, run.file)} {stall.op} {stall.reason}" + (f", {cause}" if cause else "")
        more = (share, time_text(stall.longest_ns)) if wide else ()
        rows.append((time_text(stall.total_ns), *more, f"{stall.count:,}", stall.engine, text))
    table = columns(rows, right=range(len(rows[0]) - 2))
    found.add("  " + table[0], "dim")
    for stall, text in zip(profile.stalls, table[1:], strict=True):
        what = f"{stall.engine} waits {stall.reason}"
        entry = Entry(line=len(found.lines), what=what, rows=_Rows(run, stall), first=_Longest(run))
        found.choice(text, entry, state.entry)
    return found


class _Rows:
    """The rows that a stall adds up; found when it is chosen."""

    def __init__(self, run: Run, stall: Stall) -> None:
        self.run, self.stall = run, stall

    def __call__(self) -> Integers:
        run, stall = self.run, self.stall
        rows = run.timeline.rows
        own = (rows["lane"] == LANES.index(stall.engine)) & (rows["stall"] == STALLS.index(stall.cause))
        own &= (rows["lane"] < SYNC) & (rows["kind"] != TRIGGER) & (rows["stall_ns"] > 0.0)
        own &= run.line_of[rows["instruction"]] == run.line_number(stall.span)
        blamed = np.where(rows["cause"] >= 0, run.line_of[rows["cause"]], -1)
        own &= blamed == (run.line_number(stall.cause_span) if stall.cause_op else -1)
        return np.flatnonzero(own)


class _Longest:
    def __init__(self, run: Run) -> None:
        self.run = run

    def __call__(self, rows: Integers) -> int:
        return int(rows[self.run.timeline.rows["stall_ns"][rows].argmax()])
