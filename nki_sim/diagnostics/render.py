"""Diagnostics as text for people: the message, the source with the place underlined, the facts and the fix.

`to_text` is plain and deterministic (tests compare it); `to_rich` is the same text with colours.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nki_sim.diagnostics.model import Diagnostic
from nki_sim.diagnostics.snippet import Line, Mark, Piece, snippet
from nki_sim.program.spans import SourceSpan

if TYPE_CHECKING:
    from rich.text import Text

DEFAULT_WIDTH = 100
_SHOWN_CALLERS = 4


def to_text(diagnostics: Iterable[Diagnostic], width: int = DEFAULT_WIDTH) -> str:
    """The findings as plain text, a blank line between them, lines at most `width` cells where words allow it."""
    return "\n\n".join(
        "\n".join("".join(piece.text for piece in line).rstrip() for line in _lines(one, width)) for one in diagnostics
    )


def to_rich(diagnostics: Iterable[Diagnostic], width: int = DEFAULT_WIDTH) -> Text:
    """The findings as a rich Text: the characters of `to_text`, styled."""
    from rich.text import Text

    text = Text(no_wrap=True)
    for number, one in enumerate(diagnostics):
        if number:
            text.append("\n\n")
        for position, line in enumerate(_lines(one, width)):
            if position:
                text.append("\n")
            for piece in line:
                text.append(piece.text, style=_STYLES.get(piece.role, ""))
            text.rstrip()
    return text


_STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "note": "bold cyan",
    "message": "bold",
    "gutter": "blue",
    "fix": "green",
    "mark-error": "bold red",
    "mark-warning": "bold yellow",
    "mark-note": "bold cyan",
    "mark-related": "blue",
}


def shown_path(file: str) -> str:
    """`file` as people know it: relative to the working directory when it lies below it."""
    if not os.path.isabs(file):
        return file
    here = os.path.join(os.getcwd(), "")
    return file[len(here) :] if file.startswith(here) else file


def shown_place(span: SourceSpan) -> str:
    """``file:line:column``, without a column that is not known."""
    return f"{shown_path(span.file)}:{span.line}" + (f":{span.column}" if span.column else "")


def _lines(one: Diagnostic, width: int) -> list[Line]:
    lines = _header(one, width)
    marks = [Mark(span, text, "related") for span, text in one.related]
    gutter = 1
    if one.spans:
        marks.insert(0, Mark(one.spans[0], one.label, one.severity))
        gutter = max(len(str(max(mark.span.end_line, mark.span.line))) for mark in marks)
        lines += _place(one.spans, gutter, width)
        lines += snippet(marks, gutter, width, shown_place)
    for fact in one.facts:
        lines += _equation(fact, "", gutter, width)
    if one.fix:
        lines += _equation(one.fix, "fix: ", gutter, width)
    if one.count > 1:
        lines.append([Piece(" " * (gutter + 1) + f"({one.count - 1} more like this)", "gutter")])
    return lines


def _header(one: Diagnostic, width: int) -> list[Line]:
    head = f"{one.severity}[{one.code}]: "
    wrapped = _wrap(head + one.message, width, "    ")
    first: Line = [Piece(head.rstrip(), one.severity), Piece(wrapped[0][len(head) - 1 :], "message")]
    return [first, *([Piece(line, "message")] for line in wrapped[1:])]


def _place(spans: tuple[SourceSpan, ...], gutter: int, width: int) -> list[Line]:
    """The arrow line: where, and through which calls it was inlined there."""
    arrow = " " * gutter + "--> "
    start = arrow + shown_place(spans[0])
    callers = [span for span in spans[1:] if span.function != "<module>"]
    hidden = len(callers) - _SHOWN_CALLERS
    if hidden > 0:
        callers = callers[:_SHOWN_CALLERS]
    chain = [f"inlined from {span.function}, {shown_path(span.file)}:{span.line}" for span in callers]
    if hidden > 0:
        chain.append(f"and {hidden} more call{'s' if hidden > 1 else ''}")
    if not chain:
        return [[Piece(arrow, "gutter"), Piece(start[len(arrow) :], "")]]
    joined = f"{start}   ({'; '.join(chain)})"
    if len(joined) <= width:
        return [[Piece(arrow, "gutter"), Piece(joined[len(arrow) :], "")]]
    lines: list[Line] = [[Piece(arrow, "gutter"), Piece(start[len(arrow) :], "")]]
    for link in chain:
        lines.append([Piece(" " * len(arrow) + f"({link})", "")])
    return lines


def _equation(text: str, name: str, gutter: int, width: int) -> list[Line]:
    lead = " " * (gutter + 1) + "= "
    wrapped = _wrap(lead + name + text, width, " " * (len(lead) + len(name)))
    role = "fix" if name else ""
    first: Line = [Piece(lead, "gutter"), Piece(wrapped[0][len(lead) :], role)]
    return [first, *([Piece(line, role)] for line in wrapped[1:])]


def _wrap(text: str, width: int, indent: str) -> list[str]:
    """`text` in lines of at most `width`; its own line breaks stay, and a long word is not cut."""
    lines: list[str] = []
    for number, part in enumerate(text.split("\n")):
        lines += textwrap.wrap(
            part,
            max(width, 40),
            initial_indent=indent if number else "",
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
            drop_whitespace=True,
        ) or [""]
    return lines
