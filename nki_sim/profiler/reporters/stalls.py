"""The longest stalls: engine, line, how often and how long, and what it waited for."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.words import place_text, time_text

SHOWN = 5


def render(profile: Profile, shown: int = SHOWN) -> Iterator[RenderableType]:
    """A heading and a table of the `shown` longest."""
    yield Text("Longest stalls, added up by line and cause", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("in all", justify="right", no_wrap=True)
    table.add_column("longest", justify="right", no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("engine")
    table.add_column("at")
    table.add_column("waits")
    for one in profile.stalls[:shown]:
        cause = place_text(one.cause_span)
        table.add_row(
            time_text(one.total_ns),
            time_text(one.longest_ns),
            f"{one.count:,}",
            one.engine,
            f"{place_text(one.span)} {one.op}".strip(),
            one.reason + (f", {cause}" if cause else ""),
        )
    yield table
