"""Drawing a track into cells: boxes for what is wide enough to carry its name, shades for what is not.

[tensor_copy=]   one instruction, from its start to where its lane can take the next one
░▒▓█             many, or one too short for a box: the share of the cell that the lane is busy
23+              a queue moves so many transfers at once there, + for more than nine
l····            idle, waiting: the letter says for what (see STALL_LETTERS), dots go on
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import floor

import numpy as np

from nki_sim.profiler.app.text import Line
from nki_sim.profiler.app.tracks import Floats, Integers, Level, Track

SHADES = " ░▒▓█"
BOX_CELLS = 3
"""A box needs room for its brackets and one letter."""

WAITING = "·"


def shade(share: float) -> str:
    """One character; anything above nothing shows."""
    return SHADES[int(np.ceil(share * (len(SHADES) - 1) - 1e-9))]


def paint(track: Track, edges: Floats, label: Callable[[int], str], at_once: Level | None = None) -> list[str]:
    """The cells between neighbouring edges, one character each. `label` gives the text of a position's box; `at_once`
    how many overlap, where several can."""
    shares = track.union.shares(edges)
    levels = np.ceil(shares * (len(SHADES) - 1) - 1e-9).astype(int)
    cells = [SHADES[level] for level in levels.tolist()]
    for position in track.wide(edges, BOX_CELLS).tolist():
        first, stop, clipped_left, clipped_right = extent(track, position, edges)
        if stop - first >= BOX_CELLS:
            cells[first:stop] = box(label(position), stop - first, clipped_left, clipped_right)
    if at_once is not None:
        # The mean over the busy part; in cells that are mostly idle the share says more.
        mean = np.diff(at_once.integral(edges)) / np.maximum(shares * np.diff(edges), 1e-30)
        for cell in np.flatnonzero((shares >= 0.5) & (mean >= 1.5)).tolist():
            cells[cell] = count_text(round(float(mean[cell])))
    return cells


def count_text(count: int) -> str:
    """One character."""
    return str(count) if count <= 9 else "+"


def extent(track: Track, position: int, edges: Floats) -> tuple[int, int, bool, bool]:
    """(first cell, one past the last, cut on the left, cut on the right) of a position's interval."""
    count = len(edges) - 1
    step = (edges[-1] - edges[0]) / count
    # Down on both sides, so that neighbours do not overlap; a hair of tolerance for times that fall on an edge.
    first = floor((track.start[position] - edges[0]) / step + 1e-6)
    stop = floor((track.end[position] - edges[0]) / step + 1e-6)
    return max(0, first), min(count, stop), first < 0, stop > count


def box(text: str, width: int, clipped_left: bool = False, clipped_right: bool = False) -> list[str]:
    """``[text==]``; an end outside of the window is left open."""
    left = "" if clipped_left else "["
    right = "" if clipped_right else "]"
    room = width - len(left) - len(right)
    return list(left + text.replace(" ", "_")[:room].ljust(room, "=") + right)


def paint_waits(cells: list[str], waits: Track, codes: Integers, edges: Floats, letters: Sequence[str]) -> None:
    """Mark the idle cells of which most was spent waiting: the cause's letter, then dots."""
    idle = np.array([cell == " " for cell in cells])
    marked = np.flatnonzero(idle & (waits.union.shares(edges) >= 0.5))
    if not len(marked):
        return
    positions = waits.latest((edges[marked] + edges[marked + 1]) / 2)
    before = -2
    last = -1
    for cell, position in zip(marked.tolist(), positions.tolist(), strict=True):
        fresh = cell != before + 1 or position != last
        cells[cell] = letters[int(codes[position])] if fresh and position >= 0 else WAITING
        before, last = cell, position


def styled(cells: Sequence[str], base: str, over: Mapping[int, tuple[str, str]]) -> Line:
    """The cells in style `base`, with (character, style) put over some of them."""
    pieces: Line = []
    run: list[str] = []
    for cell in sorted(c for c in over if 0 <= c < len(cells)):
        done = sum(len(text) for text, _ in pieces)
        run = list(cells[done:cell])
        if run:
            pieces.append(("".join(run), base))
        character, style = over[cell]
        pieces.append((character or cells[cell], style))
    done = sum(len(text) for text, _ in pieces)
    pieces.append(("".join(cells[done:]), base))
    return pieces
