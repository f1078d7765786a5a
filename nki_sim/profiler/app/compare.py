"""The summary pane: the report's summary of one run; of two runs what changed, their lanes and waits side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType

from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content, Reports
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.text import columns
from nki_sim.profiler.compare import compare
from nki_sim.profiler.reporters import comparison, roofline, summary
from nki_sim.profiler.reporters.json import to_json
from nki_sim.profiler.words import time_text
from nki_sim.timing.lanes import STALLS


def summary_pane(state: State, width: int, reports: Reports) -> Content:
    """Of one run what `nki-sim profile` says of it; of two, what differs, as `nki-sim compare` does."""
    found = Content()
    if len(state.runs) == 1:
        run = state.runs[0]
        found.lines += reports.lines(("summary", id(run)), width, lambda: _sections(run, width))
        return found
    a, b = state.runs
    for run in state.runs:
        found.add(f"{run.name}: {run.title} (+ {time_text(run.profile.launch_ns)} launch, not counted below)")
    found.lines += reports.lines(("comparison", id(a), id(b)), width, lambda: _compared(a, b, width))
    _section(found, "busy by lane", _busy(a), _busy(b), a, b)
    _section(found, "waiting by cause", _waits(a), _waits(b), a, b)
    return found


def _sections(run: Run, width: int) -> Iterator[RenderableType]:
    yield from summary.render(run.profile, width)
    if run.total_ns > 0.0:
        for section in (summary.definitions, roofline.render):
            yield ""
            yield from section(run.profile, width)


def _compared(a: Run, b: Run, width: int) -> Iterator[RenderableType]:
    documents = [to_json(run.profile, advice=False) for run in (a, b)]
    return comparison.render(compare(documents[0], documents[1], (a.name, b.name)), width)


def _section(found: Content, title: str, left: Mapping[str, float], right: Mapping[str, float], a: Run, b: Run) -> None:
    """One table: a row per name of either side."""
    rows = [("", a.name, b.name, f"{b.name} - {a.name}")]
    for name in dict.fromkeys([*left, *right]):
        one, other = left.get(name, 0.0), right.get(name, 0.0)
        rows.append((f"  {name}", time_text(one) if one else "-", time_text(other) if other else "-",
                     signed(other - one)))  # fmt: skip
    found.head(title)
    table = columns(rows, right=(1, 2, 3))
    found.add(table[0], "dim")
    for text in table[1:]:
        found.add(text)


def signed(time_ns: float) -> str:
    """With a sign, "=" for no difference."""
    if abs(time_ns) < 0.5:
        return "="
    return ("+" if time_ns > 0 else "-") + time_text(abs(time_ns))


def _busy(run: Run) -> dict[str, float]:
    return {lane.name: lane.track.union.between(0.0, run.total_ns + 1.0) for lane in run.folded.lanes}


def _waits(run: Run) -> dict[str, float]:
    total: dict[str, float] = {}
    for lane in run.folded.lanes:
        if lane.is_queue:
            continue
        sums = lane.by_cause.within(0, len(lane.rows))
        for cause, value in zip(STALLS, sums.tolist(), strict=True):
            if value > 0:
                total[cause] = total.get(cause, 0.0) + value
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))
