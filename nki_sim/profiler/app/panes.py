"""What a pane is made of: lines, entries to choose from, and reports of other modules as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import StringIO

from rich.console import Console, RenderableType

from nki_sim.profiler.app.text import Line
from nki_sim.profiler.app.tracks import Integers
from nki_sim.program.spans import SourceSpan

CHOSEN = "> "
"""Before the entry that is chosen; others have as many blanks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something to choose in a pane.

    line    of the pane's content, where it is; what names it
    rows    gives the rows it is about, in order of time; `first` picks the one to go to
    spans   its source lines, shown where no row belongs to it
    """

    line: int
    what: str
    rows: Callable[[], Integers]
    first: Callable[[Integers], int] = field(default=lambda rows: int(rows[0]))
    spans: tuple[SourceSpan, ...] = ()


@dataclass(slots=True)
class Content:
    """Lines of a pane.

    head_lines  stay in sight, above the lines that scroll
    focus       the line that has to be in sight, None for the first
    more        (count, make): lines behind `lines` that are made only when they show
    entries     in order; `chosen` is the index of the current one
    """

    lines: list[Line] = field(default_factory=list)
    head_lines: list[Line] = field(default_factory=list)
    focus: int | None = None
    more: tuple[int, Callable[[int], Line]] | None = None
    entries: list[Entry] = field(default_factory=list)
    chosen: int | None = None

    @property
    def length(self) -> int:
        return len(self.lines) + (self.more[0] if self.more else 0)

    def stretch(self, first: int, stop: int) -> list[Line]:
        """The lines from `first` to before `stop`, as far as there are any."""
        found = self.lines[first:stop]
        if self.more is not None:
            count, make = self.more
            own = range(max(0, first - len(self.lines)), min(count, stop - len(self.lines)))
            found += [make(number) for number in own]
        return found

    def head(self, text: str, note: str = "") -> None:
        """A heading: capitals, so that it stands out without a style."""
        self.lines.append([(text.upper(), "bold"), (f"  {note}" if note else "", "dim")])

    def add(self, text: str, style: str = "") -> None:
        self.lines.append([(text, style)])

    def choice(self, text: str, entry: Entry, chosen: int | None) -> None:
        """A line that can be chosen; the content looks at it when it is."""
        here = chosen == len(self.entries)
        if here:
            self.chosen, self.focus = chosen, len(self.lines)
        self.entries.append(entry)
        self.lines.append([(CHOSEN if here else " " * len(CHOSEN), "bold"), (text, "bold" if here else "")])


class Reports:
    """Sections of the report as lines, each made once for a width."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], list[Line]] = {}

    def lines(self, key: tuple[object, ...], width: int, make: Callable[[], Iterable[RenderableType]]) -> list[Line]:
        """The lines of what `make` gives; `key` and `width` name them."""
        full = (*key, width)
        if full not in self._known:
            self._known[full] = rendered(list(make()), width)
        return self._known[full]


def rendered(parts: Sequence[RenderableType], width: int) -> list[Line]:
    """What rich would print, as lines."""
    console = Console(width=width, file=StringIO(), color_system="standard", force_terminal=True, legacy_windows=False)
    found: list[Line] = []
    for part in parts:
        lines = console.render_lines(part, console.options.update(width=width), pad=False)
        found += [[(segment.text, str(segment.style or "")) for segment in one if segment.text] for one in lines]
    return found
