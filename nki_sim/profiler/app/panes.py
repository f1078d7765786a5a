"""What a pane is made of, and the small words that several of them use."""

from __future__ import annotations

from dataclasses import dataclass, field

from nki_sim.profiler.app.text import Line


@dataclass(slots=True)
class Content:
    """Lines of a pane; `focus` is the one that has to be in sight, None for the first."""

    lines: list[Line] = field(default_factory=list)
    focus: int | None = None

    def head(self, text: str, note: str = "") -> None:
        """A heading: capitals, so that it stands out without a style."""
        self.lines.append([(text.upper(), "bold"), (f"  {note}" if note else "", "dim")])

    def add(self, text: str, style: str = "") -> None:
        self.lines.append([(text, style)])
