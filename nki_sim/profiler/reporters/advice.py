"""Advice: what each change would gain, where to make it and how; and what was thought of that is no advice."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.places import heading, places, shared_file
from nki_sim.profiler.words import percent, time_text

SHOWN = 3
# Below the title of a piece of advice.
_INDENT = 19


def render(profile: Profile, width: int, *, full: bool = False) -> Iterator[RenderableType]:
    """A heading and the pieces of advice: the best few in a line each, or all with how to follow them."""
    if not profile.replayable:
        yield Text("No advice: replaying the program did not give the time above", style="dim")
        return
    found, rejected = profile.advised.found, profile.advised.rejected
    file = shared_file(profile)
    if found:
        yield Text(heading("Advice, by what its replay gains", profile), style="bold")
    else:
        yield Text("Advice: none of the changes thought of is known to gain 1 %", style="dim")
    if full:
        for one in found:
            yield _headline(one.gain_ns, one.gain_ratio, one.title, places(one.lines, file))
            yield Padding(Text(f"{one.how}."), (0, 0, 0, _INDENT))
            yield Padding(Text(f"replay: {one.replay}", style="dim"), (0, 0, 0, _INDENT))
        if rejected:
            yield Text("Thought of, but no advice:", style="dim")
        for other in rejected:
            where = places(other.lines, file)
            at = f" ({where})" if where else ""
            yield Padding(Text(f"{other.title}{at}: {other.why}", style="dim"), (0, 0, 0, 2))
        return
    if found:
        table = Table(box=None, pad_edge=False, header_style="dim", width=width)
        table.add_column("gain", justify="right", no_wrap=True)
        table.add_column("share", justify="right", no_wrap=True)
        table.add_column("change", ratio=1)
        table.add_column("line" if file else "at", no_wrap=True)
        for one in found[:SHOWN]:
            table.add_row(time_text(one.gain_ns), percent(one.gain_ratio), one.title, places(one.lines, file, 3))
        yield table
    words = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    if len(found) > 1:
        words.append("gains do not add up")
    skipped = sum(one.why.startswith("not replayed") for one in rejected)
    if skipped:
        words.append(f"{skipped} change{'s' if skipped > 1 else ''} not replayed, --full says why")
    if words:
        yield Text("; ".join(words), style="dim")


def _headline(gain_ns: float, ratio: float, title: str, places: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", no_wrap=True, min_width=9, style="bold")
    table.add_column(justify="right", no_wrap=True, min_width=6, style="bold")
    table.add_column()
    table.add_row(time_text(gain_ns), percent(ratio), Text(title, style="bold").append(f"  {places}", "not bold dim"))
    return table
