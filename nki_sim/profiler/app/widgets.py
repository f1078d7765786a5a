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
        self._held = 0

    def visible(self, content: Content, height: int, subject: object) -> list[Line]:
        """At most `height` lines. A new `subject` takes the scroll position back."""
        held = content.head_lines[: max(0, height - 1)]
        self._length, self._height = content.length, max(1, height - len(held))
        if subject != self._subject:
            self._subject = subject
            focus = content.focus
            self.first = 0 if focus is None else focus - self._height // 2
        self.first = max(0, min(self.first, self._length - self._height))
        self._held = len(held)
        return [*held, *content.stretch(self.first, self.first + self._height)]

    def scroll(self, pages: int) -> None:
        """By pages, one line kept in sight."""
        self.first = max(0, min(self.first + pages * max(1, self._height - 1), self._length - self._height))

    @property
    def position(self) -> tuple[int, int] | None:
        """(first line shown, lines there are), counted from 1; None when everything shows."""
        return None if self._length <= self._height else (self.first + 1, self._length)

    def line_at(self, y: int) -> int | None:
        """The content's line on the pane's line `y`; None for lines that do not scroll."""
        return None if y < self._held else self.first + y - self._held


_SHORT = {"instruction": "instr"}
_SHORT_CELLS = 110


def pane_title(current: int, position: tuple[int, int] | None, compared: bool, width: int) -> Line:
    """The panes' names, the current one in brackets, and on the right the scroll position."""
    names = ["compare" if compared and name == "summary" else name for name in PANES]
    short = width < _SHORT_CELLS
    shown = [_SHORT.get(name, name) if short else name for name in names]
    where = "" if position is None else "{}/{}".format(*position) if short else "line {:,} of {:,}".format(*position)
    text = _bar([f"{number} {name}" for number, name in enumerate(shown, 1)], current, shared=short)
    if len(text.rstrip()) + len(where) + bool(where) > width:
        # No room for names but the current one.
        numbers = [str(number) for number in range(1, len(names) + 1)]
        numbers[current] += f" {names[current]}"
        text = _bar(numbers, current, shared=True)
    text = text.rstrip()
    first, stop = text.index("["), text.index("]") + 1
    pieces: list[Piece] = [(text[:first], ""), (text[first:stop], "bold reverse"), (text[stop:], "")]
    if where:
        pieces.append((where.rjust(max(len(where) + 1, width - len(text))), "dim"))
    return pieces


def _bar(names: Sequence[str], current: int, *, shared: bool) -> str:
    """The names with a blank on either side of each, or one `shared` by neighbours; brackets around the current one."""
    text = ""
    for number, name in enumerate(names):
        left, right = "[]" if number == current else "  "
        if text and shared:
            left = "]" if text[-1] == "]" else left
            text = text[:-1]
        text += left + name + right
    return text
