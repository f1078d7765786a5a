"""Textual widgets: one that shows lines of styled text, and the pane with its title and scroll position."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from nki_sim.profiler.app.panes import Content
from nki_sim.profiler.app.state import PANES
from nki_sim.profiler.app.text import Line, Piece


@lru_cache(maxsize=256)
def _style(text: str) -> Style:
    return Style.parse(text) if text else Style.null()


class Lines(Widget):
    """A block of lines, drawn as they are given."""

    DEFAULT_CSS = "Lines { height: 1; width: 1fr; }"

    def __init__(self, *, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self.lines: list[Line] = []

    def show(self, lines: Sequence[Line]) -> None:
        """Draw these lines from now on."""
        self.lines = list(lines)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        if y >= len(self.lines):
            return Strip.blank(width, base)
        segments = [Segment(text, _style(style)) for text, style in self.lines[y] if text]
        return Strip(segments).adjust_cell_length(width).apply_style(base)


class PaneView:
    """Which lines of a pane show: it follows the pane's focus until scrolled, and until something else is selected."""

    def __init__(self) -> None:
        self.first = 0
        self._subject: object = None
        self._length = 0
        self._height = 1

    def visible(self, content: Content, height: int, subject: object) -> list[Line]:
        """`height` lines. A new `subject` takes the scroll position back."""
        self._length, self._height = len(content.lines), max(1, height)
        if subject != self._subject:
            self._subject = subject
            focus = content.focus
            self.first = 0 if focus is None else focus - self._height // 2
        self.first = max(0, min(self.first, self._length - self._height))
        return content.lines[self.first : self.first + self._height]

    def scroll(self, pages: int) -> None:
        """By pages, one line kept in sight."""
        self.first = max(0, min(self.first + pages * max(1, self._height - 1), self._length - self._height))

    @property
    def position(self) -> str:
        """``1-12 of 40``, or nothing when everything shows."""
        if self._length <= self._height:
            return ""
        return f"{self.first + 1}-{self.first + self._height} of {self._length}"


def pane_title(current: int, position: str, compared: bool) -> Line:
    """The panes' names, the current one in brackets, and the scroll position."""
    pieces: list[Piece] = []
    for number, name in enumerate(PANES):
        shown = "compare" if compared and name == "summary" else name
        chosen = number == current
        text = f"[{number + 1} {shown}]" if chosen else f" {number + 1} {shown} "
        pieces.append((text, "bold reverse" if chosen else ""))
    pieces.append((f"   {position}", "dim"))
    return pieces
