"""The critical path: what the total time is made of, line by line, and what the engines and queues add in between."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.critical_path import MEANINGS
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.places import heading, place, shared_file
from nki_sim.profiler.words import percent, time_text

SHOWN = 12
# What the other columns take at their widest.
_NUMBERS_WIDTH = 56


def render(profile: Profile, width: int, shown: int = SHOWN) -> Iterator[RenderableType]:
    """A heading, a table of the `shown` longest contributions, and what the causes mean."""
    path = profile.critical_path
    if not path.segments:
        return
    file = shared_file(profile)
    title = f"Critical path: {len(path.segments):,} stretches that add up to {time_text(path.total_ns)}"
    yield Text(heading(title, profile), style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("in all", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("lane", no_wrap=True)
    table.add_column("spent on", no_wrap=True)
    table.add_column("at", no_wrap=True, overflow="ellipsis", max_width=max(12, width - _NUMBERS_WIDTH))
    for one in path.shares[:shown]:
        table.add_row(
            time_text(one.total_ns),
            percent(one.total_ns / path.total_ns),
            f"{one.count:,}",
            one.lane,
            one.cause,
            f"{place(one.span, file)} {one.op}".strip(),
        )
    yield table
    if len(path.shares) > shown:
        rest = sum(one.total_ns for one in path.shares[shown:])
        yield Text(f"and {len(path.shares) - shown} more, {time_text(rest)}", style="dim")
    causes = {one.cause for one in path.shares}
    meanings = "; ".join(f"{cause}: {meaning}" for cause, meaning in MEANINGS.items() if cause in causes)
    yield Text(meanings, style="dim")
