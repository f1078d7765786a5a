"""Source places in tables: just the line where the whole report is about one file, whose name a heading then gives."""

from __future__ import annotations

from collections.abc import Sequence

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.words import place_text, places_text
from nki_sim.program.spans import SourceSpan


def shared_file(profile: Profile) -> str:
    """The one file all instructions come from, without its folder; "" when there are several or none."""
    files = {one.span.file for one in profile.lines if one.span is not None}
    return next(iter(files)).rsplit("/", 1)[-1] if len(files) == 1 else ""


def heading(text: str, profile: Profile) -> str:
    """``text (lines of kernel.py)``."""
    file = shared_file(profile)
    return f"{text} (lines of {file})" if file else text


def place(span: SourceSpan | None, file: str) -> str:
    """``12`` in the shared file, else ``kernel.py:12``."""
    if span is not None and file and span.file.rsplit("/", 1)[-1] == file:
        return str(span.line)
    return place_text(span)


def places(spans: Sequence[SourceSpan], file: str, shown: int = 4) -> str:
    """``12, 17`` in the shared file, else as places_text."""
    if file and all(span.file.rsplit("/", 1)[-1] == file for span in spans):
        return ", ".join(str(span.line) for span in spans[:shown]) + (", ..." if len(spans) > shown else "")
    return places_text(spans, shown)
