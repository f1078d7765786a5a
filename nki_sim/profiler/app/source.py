"""The source pane: the kernel's text with the time each line took, and the line of the selected instruction."""

from __future__ import annotations

import linecache
from functools import partial

import numpy as np

from nki_sim.profiler.app.drawing import shade
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content, Entry
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.tracks import Integers
from nki_sim.profiler.lines import LineUse
from nki_sim.profiler.words import percent, time_text
from nki_sim.program.spans import SourceSpan

_HEAT_CELLS = 18
_TIME_CELLS = 10
_TIMES_FROM_CELLS = 100


def source_pane(state: State, width: int) -> Content:
    """The file of the selected instruction (else of the hottest line); columns: heat, time, share, busiest lane.

    Entries are the lines that took time.
    """
    found = Content()
    run = state.run
    one = state.selected
    spans: tuple[SourceSpan, ...] = ()
    if one is not None and one.instruction >= 0:
        spans = run.timeline.spans(one.instruction)
    uses = run.profile.lines
    if state.pointed is not None:
        spans = (state.pointed,)
    if not spans:
        spans = tuple(use.span for use in uses[:1] if use.span is not None)
    if not spans:
        executed = len(run.timeline.rows) > 0
        found.add("no line is known: the kernel's source is not at hand" if executed else "nothing was executed")
        return found
    file = spans[0].file
    text = linecache.getlines(file)
    if not text:
        found.add(f"{file} cannot be read")
        return found
    heat = {use.span.line: use for use in uses if use.span is not None and use.span.file == file}
    hottest = max((use.longest_ns for use in uses), default=0.0) or 1.0
    here = spans[0].line
    callers = {span.line for span in spans[1:] if span.file == file}
    meaning = "> selected, ^ its caller; J K next, previous line with time"
    found.head_lines.append([(file.rsplit("/", 1)[-1], "bold"), (f"  {meaning}", "dim")])
    for number, content in enumerate(text, start=1):
        use = heat.get(number)
        if use is not None:
            rows = partial(_rows, run, use.span)
            found.entries.append(Entry(line=len(found.lines), what=run.place(use.span), rows=rows))
            if number <= here:
                found.chosen = len(found.entries) - 1
        mark = ">" if number == here else "^" if number in callers else " "
        head, style = _heat(run, use, hottest, width >= _TIMES_FROM_CELLS)
        found.lines.append(
            [
                (f"{mark}{number:4d} ", "bold" if mark != " " else "dim"),
                (head, style),
                (content.rstrip("\n").expandtabs(4), "bold" if mark == ">" else ""),
            ]
        )
    found.focus = here - 1
    return found


def _rows(run: Run, span: SourceSpan | None) -> Integers:
    """The rows of the instructions of a line, in order of start."""
    rows = run.timeline.rows
    found = np.flatnonzero(run.line_of[rows["instruction"]] == run.line_number(span))
    ordered: Integers = found[np.argsort(rows["start_ns"][found], kind="stable")]
    return ordered


def _heat(run: Run, use: LineUse | None, hottest: float, times: bool) -> tuple[str, str]:
    """(``█ 29.2 µs  28 % tensor  ``, style): always of one width."""
    width = _HEAT_CELLS + (_TIME_CELLS if times else 0)
    if use is None or use.longest_ns <= 0:
        return " " * width, ""
    share = use.longest_ns / hottest
    lane = max(use.busy_ns, key=lambda name: use.busy_ns[name])
    total = percent(use.longest_ns / run.total_ns if run.total_ns else 0.0)
    style = "bold red" if share > 0.66 else "yellow" if share > 0.25 else ""
    time = f"{time_text(use.longest_ns):>{_TIME_CELLS}}" if times else ""
    return f"{shade(share)}{time} {total:>5} {lane}".ljust(width), style
