"""Advice: what each change would gain, where to make it and how."""

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


def render(profile: Profile, width: int, *, full: bool = False) -> Iterator[RenderableType]:
    """A heading and the pieces of advice: the best few in a line each, or all with how to follow them."""
    if not full and not profile.advice_is_quick:
        yield Text("Advice takes some seconds for a program of this size; the full report has it", style="dim")
        return
    found = profile.advice()
    if not profile.replayable:
        yield Text("No advice: replaying the program did not give the time above", style="dim")
        return
    if not found:
        yield Text("Advice: none of the changes that were replayed gains 1 %", style="dim")
        return
    file = shared_file(profile)
    yield Text(heading("Advice, by what its replay gains", profile), style="bold")
    if full:
        for one in found:
            yield _headline(one.gain_ns, one.gain_ratio, one.title, places(one.lines, file))
            yield Padding(Text(f"{one.how}."), (0, 0, 0, 10))
            yield Padding(Text(f"replay: {one.replay}", style="dim"), (0, 0, 0, 10))
        return
    table = Table(box=None, pad_edge=False, header_style="dim", width=width)
    table.add_column("gain", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("change", ratio=1)
    table.add_column("line" if file else "at", no_wrap=True)
    for one in found[:SHOWN]:
        table.add_row(time_text(one.gain_ns), percent(one.gain_ratio), one.title, places(one.lines, file, 3))
    yield table
    if len(found) > SHOWN:
        yield Text(f"and {len(found) - SHOWN} more; gains do not add up", style="dim")


def _headline(gain_ns: float, ratio: float, title: str, places: str) -> Text:
    line = Text(f"{time_text(gain_ns):>9}", style="bold")
    return line.append(f" {percent(ratio):>6}  {title}", style="bold").append(f"  {places}", style="not bold dim")
