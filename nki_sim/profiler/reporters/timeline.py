"""The timeline in characters: one lane per engine and DMA direction, shaded by how busy it was in each cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType
from rich.text import Text

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.words import time_text
from nki_sim.timing.lanes import LANES

SHADES = " ░▒▓█"
_LABEL = 11
_STYLES = ("cyan", "green", "magenta", "blue", "white", "yellow", "yellow", "yellow")


def render(profile: Profile, width: int) -> Iterator[RenderableType]:
    """Lanes that executed something, then the axis, `width` characters wide."""
    cells = max(10, width - _LABEL - 2)
    total = profile.total_ns
    if total <= 0.0:
        return
    rows = profile.timeline
    for lane, name in enumerate(LANES):
        selected = rows[rows["lane"] == lane]
        if not len(selected):
            continue
        shares = occupancy(selected["start_ns"], selected["issue_end_ns"], total, cells)
        line = Text(f"{name:<{_LABEL}}│", no_wrap=True, overflow="crop")
        line.append(shade(shares), style=_STYLES[lane])
        line.append("│")
        yield line
    yield Text(" " * _LABEL + axis(total, cells), style="dim", no_wrap=True, overflow="crop")


def occupancy(
    start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], total_ns: float, cells: int
) -> npt.NDArray[np.float64]:
    """Share of each of `cells` equal slices of [0, total_ns) that the union of the intervals covers."""
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    # Cut what earlier intervals cover already, so that adding up lengths gives the union.
    reach = np.maximum.accumulate(end)
    start = np.maximum(start, np.concatenate(([0.0], reach[:-1])))
    kept = end > start
    edges = np.linspace(0.0, total_ns, cells + 1)
    covered = _covered(start[kept], end[kept], edges)
    shares: npt.NDArray[np.float64] = np.clip(np.diff(covered) * cells / total_ns, 0.0, 1.0)
    return shares


def _covered(
    start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Length of the disjoint, sorted intervals left of each edge."""
    if not len(start):
        return np.zeros(len(edges))
    before = np.concatenate(([0.0], np.cumsum(end - start)))
    index = np.searchsorted(start, edges, side="right")
    over = np.where(index > 0, np.maximum(end[np.maximum(index - 1, 0)] - edges, 0.0), 0.0)
    covered: npt.NDArray[np.float64] = before[index] - over
    return covered


def shade(shares: npt.NDArray[np.float64]) -> str:
    """One character per share; anything above nothing shows."""
    levels = np.ceil(shares * (len(SHADES) - 1) - 1e-9).astype(int)
    return "".join(SHADES[level] for level in levels)


def axis(total_ns: float, cells: int) -> str:
    """``0        12.5 µs        25 µs`` under the lanes."""
    middle, last = time_text(total_ns / 2), time_text(total_ns)
    line = "└0" + " " * max(1, cells // 2 - 1 - len(middle) // 2) + middle
    return line + " " * max(1, cells + 2 - len(line) - len(last) - 1) + last + "┘"
