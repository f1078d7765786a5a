"""Lines of styled text as plain values: what every view draws and every test reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

_GAPS = re.compile(r"\s+(?!(?:%|[nµm]?s|[KMG]i?B|B)(?!\w))")
"""Where a line may end."""

Piece = tuple[str, str]
"""(text, rich style); styles only repeat what the characters say."""

Line = list[Piece]


def line(*pieces: Piece | str) -> Line:
    """A line from pieces; bare strings have no style."""
    return [(piece, "") if isinstance(piece, str) else piece for piece in pieces]


def plain(pieces: Iterable[Piece]) -> str:
    """The characters without their styles."""
    return "".join(text for text, _ in pieces)


def fit(pieces: Sequence[Piece], width: int) -> Line:
    """The line cut or padded to exactly `width` cells; a cut line ends in an ellipsis."""
    total = sum(cell_len(text) for text, _ in pieces)
    if total <= width:
        return [*pieces, (" " * (width - total), "")]
    found: Line = []
    left = max(0, width - 1)
    for text, style in pieces:
        size = cell_len(text)
        if size <= left:
            found.append((text, style))
            left -= size
            continue
        found.append((set_cell_size(text, left), style))
        break
    found.append(("…" if width > 0 else "", "dim"))
    return found


def wrap(text: str, width: int, indent: str = "", first: str | None = None, style: str = "") -> list[Line]:
    """`text` in lines of at most `width` cells, cut at spaces but not between a number and its unit; `first` opens the
    first line, `indent` the others."""
    room = max(1, width)
    head = indent if first is None else first
    lines: list[Line] = []
    current = ""
    for word in _GAPS.split(text.strip()) if text.strip() else ():
        candidate = f"{current} {word}" if current else word
        if current and cell_len(head) + cell_len(candidate) > room:
            lines.append([(head, ""), (current, style)])
            head, current = indent, word
        else:
            current = candidate
    lines.append([(head, ""), (current, style)])
    return lines


def columns(rows: Sequence[Sequence[str]], right: Iterable[int] = (), gap: str = "  ") -> list[str]:
    """Rows of cells as aligned lines; the columns in `right` are flush right, the last one is not padded."""
    if not rows:
        return []
    flush = set(right)
    count = max(len(row) for row in rows)
    widths = [max((cell_len(row[c]) for row in rows if c < len(row)), default=0) for c in range(count)]
    lines = []
    for row in rows:
        cells = []
        for c, cell in enumerate(row):
            padding = " " * (widths[c] - cell_len(cell))
            cells.append(padding + cell if c in flush else cell + padding)
        lines.append(gap.join(cells).rstrip())
    return lines
