"""Time by source line."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.places import heading, place, shared_file
from nki_sim.profiler.words import bytes_text, percent, time_text

SHOWN = 8
# What the columns of numbers take at their widest.
_NUMBERS_WIDTH = 58


def render(profile: Profile, width: int, shown: int = SHOWN) -> Iterator[RenderableType]:
    """A heading and a table, `width` wide, of the `shown` lines that kept a lane busy longest."""
    found = profile.lines
    file = shared_file(profile)
    yield Text(heading("Time by source line, on its busiest lane", profile), style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("busy", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("lane", no_wrap=True)
    table.add_column("stalled", justify="right", no_wrap=True)
    table.add_column("moved", justify="right", no_wrap=True)
    table.add_column("runs", justify="right", no_wrap=True)
    table.add_column("line", no_wrap=True, overflow="ellipsis", max_width=max(12, width - _NUMBERS_WIDTH))
    for one in found[:shown]:
        lane = max(one.busy_ns, key=one.busy_ns.__getitem__) if one.busy_ns else ""
        table.add_row(
            time_text(one.longest_ns),
            percent(one.longest_ns / profile.total_ns if profile.total_ns else 0.0),
            lane,
            time_text(one.stall_ns) if one.stall_ns else "",
            bytes_text(one.moved_bytes) if one.moved_bytes else "",
            f"{one.instructions:,}",
            Text(f"{place(one.span, file)}  {one.span.text.strip()}" if one.span is not None else "(no source)"),
        )
    yield table
    if len(found) > shown:
        yield Text(f"and {len(found) - shown} more lines", style="dim")
