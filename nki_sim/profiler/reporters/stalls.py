"""The longest stalls: engine, line, how often and how long, and what it waited for."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.places import heading, place, shared_file
from nki_sim.profiler.words import percent, time_text

SHOWN = 3


def render(profile: Profile, shown: int = SHOWN) -> Iterator[RenderableType]:
    """A heading and a table of the `shown` longest."""
    if not profile.stalls:
        return
    file = shared_file(profile)
    yield Text(heading("Longest stalls, by line and cause", profile), style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("in all", justify="right", no_wrap=True)
    table.add_column("longest", justify="right", no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("engine")
    table.add_column("at")
    table.add_column("waits")
    for one in profile.stalls[:shown]:
        cause = place(one.cause_span, file)
        table.add_row(
            time_text(one.total_ns),
            time_text(one.longest_ns),
            f"{one.count:,}",
            one.engine,
            f"{place(one.span, file)} {one.op}".strip(),
            one.reason + (f", {cause}" if cause else ""),
        )
    yield table


def by_engine(profile: Profile, width: int) -> Iterator[RenderableType]:
    """A heading and a line per engine: at work, each cause of waiting, done; shares of the total time."""
    total = profile.total_ns
    if not profile.engine_times:
        return
    yield Text("Where the time of each engine went", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("engine", no_wrap=True)
    table.add_column("at work", justify="right", no_wrap=True)
    table.add_column("done", justify="right", no_wrap=True)
    table.add_column("waits")
    for one in profile.engine_times:
        waits = [f"{cause} {percent(time / total)}" for cause, time in one.waits_ns.items() if time >= 0.0005 * total]
        table.add_row(one.engine, percent(one.busy_ns / total), percent(one.done_ns / total), ", ".join(waits))
    yield table
