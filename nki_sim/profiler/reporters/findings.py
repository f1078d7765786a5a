"""Findings: a sentence each, the lines that show it, and the source of the rule."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.places import heading, places, shared_file


def render(profile: Profile, width: int) -> Iterator[RenderableType]:
    """A heading and all findings."""
    if not profile.findings:
        return
    file = shared_file(profile)
    yield Text(heading("Findings", profile), style="bold")
    for one in profile.findings:
        line = Text(f"{one.code}: ", style="yellow")
        line.append(one.message, style="default")
        yield line
        where = places(one.lines, file)
        yield Padding(Text(f"{where}; {one.source}" if where else one.source, style="dim"), (0, 0, 0, 2))
