"""The report: which sections, in which order, short for a terminal or in full."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters import (
    advice,
    critical_path,
    findings,
    lines,
    memory,
    roofline,
    stalls,
    summary,
    timeline,
)

_EVERYTHING = 1_000_000


def render(profile: Profile, width: int, *, full: bool = False) -> Iterator[RenderableType]:
    """Sections from top to bottom, an empty line between two."""
    yield from summary.render(profile, width)
    if profile.total_ns <= 0.0:
        return
    sections: list[Iterator[RenderableType]] = [
        timeline.render(profile, width),
        advice.render(profile, width, full=full),
    ]
    if full:
        sections += [
            findings.render(profile, width),
            summary.definitions(profile, width),
            stalls.by_engine(profile, width),
            stalls.render(profile, _EVERYTHING),
            critical_path.render(profile, width),
            lines.render(profile, width, _EVERYTHING),
            roofline.render(profile, width),
            memory.render(profile, width),
        ]
    else:
        sections += [stalls.render(profile), lines.render(profile, width)]
    for section in sections:
        found = list(section)
        if found:
            yield ""
            yield from found
