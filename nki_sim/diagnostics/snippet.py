"""The source excerpt of a diagnostic: lines with a gutter, the marked ranges underlined, a word beside each mark.

Columns of spans count characters; what is drawn counts terminal cells, so tabs and wide characters come out aligned.
"""

from __future__ import annotations

import linecache
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from nki_sim.program.spans import SourceSpan

_TAB = 4
_WHOLE_SPAN_LINES = 4  # a longer span is shown by its first two lines and its last
_ELLIPSIS = "…"


@dataclass(frozen=True)
class Piece:
    """Some characters in one style; `role` says what they are, the style is the renderer's affair."""

    text: str
    role: str


Line = list[Piece]


@dataclass(frozen=True)
class Mark:
    """A range to underline. `role`: a severity for the finding's own place, "related" for others."""

    span: SourceSpan
    label: str
    role: str


@dataclass(frozen=True)
class _Underline:
    """A mark on one line, as a half-open range of characters (0-based). The label stands on the mark's last line."""

    line: int
    start: int
    end: int
    label: str
    role: str


def snippet(marks: list[Mark], gutter: int, width: int, place: Callable[[SourceSpan], str]) -> list[Line]:
    """The lines of text around `marks`; those in the first mark's file in one excerpt, other files after it."""
    lines: list[Line] = []
    files = list(dict.fromkeys(mark.span.file for mark in marks))
    for file in files:
        own = [mark for mark in marks if mark.span.file == file]
        underlines = [one for mark in own for one in _underlines(mark)]
        if file != files[0]:
            lines.append([Piece(" " * gutter + "::: ", "gutter"), Piece(place(own[0].span), "")])
        if underlines:
            lines.append([_bar("", gutter)])
            lines += _excerpt(file, underlines, gutter, width)
        elif file != files[0]:
            lines.append([_bar("", gutter), Piece(" " + own[0].label, "mark-related")])
    return lines


def _underlines(mark: Mark) -> list[_Underline]:
    """What to underline of a mark, line by line; nothing when the text cannot be read."""
    span = mark.span
    first = _text(span.file, span.line)
    if not first.strip():
        return []
    if not span.column:
        start = len(first) - len(first.lstrip())
        return [_Underline(span.line, start, len(first.rstrip()), mark.label, mark.role)]
    last_line = max(span.end_line, span.line)
    if last_line == span.line:
        end = max(span.end_column - 1, span.column)
        return [_Underline(span.line, span.column - 1, end, mark.label, mark.role)]
    numbers = list(range(span.line, last_line + 1))
    if len(numbers) > _WHOLE_SPAN_LINES:
        numbers = [*numbers[:2], numbers[-1]]
    found = []
    for number in numbers:
        text = _text(span.file, number)
        start = span.column - 1 if number == span.line else len(text) - len(text.lstrip())
        end = span.end_column - 1 if number == last_line else len(text.rstrip())
        if end > start:
            found.append(_Underline(number, start, end, "", mark.role))
    if found:
        final = found[-1]
        found[-1] = _Underline(final.line, final.start, final.end, mark.label, mark.role)
    return found


def _text(file: str, line: int) -> str:
    return linecache.getline(file, line).rstrip("\r\n")


def _excerpt(file: str, underlines: list[_Underline], gutter: int, width: int) -> list[Line]:
    lines: list[Line] = []
    previous = 0
    for number in sorted({one.line for one in underlines}):
        if previous and number == previous + 2 and _text(file, number - 1).strip():
            lines += [[_bar(str(number - 1), gutter), Piece(" " + _shown(file, number - 1, [], gutter, width)[0], "")]]
        elif previous and number > previous + 1:
            lines.append([Piece("...", "gutter")])
        previous = number
        here = sorted((one for one in underlines if one.line == number), key=lambda one: one.start)
        text, ranges = _shown(file, number, here, gutter, width)
        lines.append([_bar(str(number), gutter), Piece(" " + text, "")])
        lines += _marks(here, ranges, gutter, width)
    return lines


def _bar(number: str, gutter: int) -> Piece:
    return Piece(f"{number:>{gutter}} |", "gutter")


def _shown(
    file: str, number: int, here: list[_Underline], gutter: int, width: int
) -> tuple[str, list[tuple[int, int]]]:
    """A line of text as drawn, cut to the width around its first mark, and the marks as ranges of cells."""
    text = _text(file, number)
    cells = _cells(text)
    drawn = _expand(text)
    ranges = [
        (cells[min(one.start, len(text))], max(cells[min(one.end, len(text))], cells[min(one.start, len(text))] + 1))
        for one in here
    ]
    room = max(width - gutter - 3, 20)
    if cells[-1] <= room:
        return drawn, ranges
    begin, end = ranges[0] if ranges else (0, 0)
    left = 0 if end <= room - 1 else max(0, min(begin - room // 4, cells[-1] - room + 1))
    cropped = _cut(drawn, left + (1 if left else 0), left + room - 1)
    rest = left + room - 1 < cells[-1]
    shift = left
    shown = (_ELLIPSIS if left else "") + cropped + (_ELLIPSIS if rest else "")
    return shown, [(max(a - shift, 1 if left else 0), min(max(b - shift, a - shift + 1), room)) for a, b in ranges]


def _marks(here: list[_Underline], ranges: list[tuple[int, int]], gutter: int, width: int) -> list[Line]:
    """A row of carets for each mark of a line, its label beside it or, where there is no room, below it."""
    lines: list[Line] = []
    for one, (start, end) in zip(here, ranges, strict=True):
        character = "-" if one.role == "related" else "^"
        role = f"mark-{one.role}"
        lead = " " * (start + 1)
        carets = character * (end - start)
        used = gutter + 2 + len(lead) + len(carets) + 1
        if one.label and used + _width(one.label) > width:
            lines.append([_bar("", gutter), Piece(lead + carets, role)])
            room = width - gutter - 2
            indent = start + 1 if start + 1 + _width(one.label) <= room else max(1, room - _width(one.label))
            lines.append([_bar("", gutter), Piece(" " * indent + one.label, role)])
        else:
            lines.append([_bar("", gutter), Piece(lead + carets + (" " + one.label if one.label else ""), role)])
    return lines


# ------------------------------------------------------------------------------------------------------------- cells


def _expand(text: str) -> str:
    """`text` with tabs as blanks and other control characters as a visible mark."""
    column = 0
    out = []
    for character in text:
        if character == "\t":
            blanks = _TAB - column % _TAB
            out.append(" " * blanks)
            column += blanks
        else:
            out.append(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}")
            column += _character_width(character)
    return "".join(out)


def _cells(text: str) -> list[int]:
    """The cell that each character starts in, and one more for the end."""
    positions = [0]
    for character in text:
        here = positions[-1]
        positions.append(here + (_TAB - here % _TAB if character == "\t" else _character_width(character)))
    return positions


def _character_width(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _width(text: str) -> int:
    return sum(map(_character_width, text))


def _cut(text: str, start: int, end: int) -> str:
    """The characters of `text` that lie in the cells start to end."""
    cells = _cells(text)
    return "".join(c for c, a, b in zip(text, cells, cells[1:], strict=False) if a >= start and b <= end)
