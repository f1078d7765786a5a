"""The source pane: the kernel's text with the time each line took, and the line of the selected instruction."""

from __future__ import annotations

import linecache

from nki_sim.profiler.app.drawing import shade
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content
from nki_sim.profiler.app.state import State
from nki_sim.profiler.lines import LineUse
from nki_sim.profiler.words import percent, time_text
from nki_sim.program.spans import SourceSpan

_HEAT_CELLS = 18
_TIME_CELLS = 10
_TIMES_FROM_CELLS = 100


def source_pane(state: State, width: int) -> Content:
    """The file of the selected instruction (else of the hottest line); columns: heat, time, share, busiest lane."""
    found = Content()
    run = state.run
    one = state.selected
    spans: tuple[SourceSpan, ...] = ()
    if one is not None and one.instruction >= 0:
        spans = run.timeline.spans(one.instruction)
    uses = run.profile.lines
    if not spans:
        spans = tuple(use.span for use in uses[:1] if use.span is not None)
    if not spans:
        found.add("no line is known: the kernel's source is not at hand")
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
    found.lines.append(
        [(file.rsplit("/", 1)[-1], "bold"), ("  > issued here, ^ called from here; heat by the busiest lane", "dim")]
    )
    for number, content in enumerate(text, start=1):
        use = heat.get(number)
        mark = ">" if number == here else "^" if number in callers else " "
        head, style = _heat(run, use, hottest, width >= _TIMES_FROM_CELLS)
        found.lines.append(
            [
                (f"{mark}{number:4d} ", "bold" if mark != " " else "dim"),
                (head, style),
                (content.rstrip("\n").expandtabs(4), "bold" if mark == ">" else ""),
            ]
        )
    found.focus = here
    return found


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
