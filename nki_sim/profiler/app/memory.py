"""The memory pane: SBUF or PSUM by address, on the time axis of the lanes above, and what is held at the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import ceil, floor, log2

import numpy as np

from nki_sim.profiler.app.drawing import BOX_CELLS, extent, shade, styled
from nki_sim.profiler.app.lanes import LABEL_CELLS, clock
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.text import Line, wrap
from nki_sim.profiler.app.tracks import Floats, Integers, Level, Longest, Track, Union
from nki_sim.profiler.memory_map import MemoryBlock, MemoryMap
from nki_sim.profiler.words import bytes_text

_NAMED_SHARE = 0.5
"""A tensor is named in bands where it takes at least this share of the most that is ever held."""

_BESIDE = 3
_LEAST_BANDS = 4
_LISTED = 12


class Band:
    """A range of addresses: how much of it is held, and the tensors that take most of it."""

    __slots__ = ("blocks", "held", "size", "track")

    def __init__(self, size: float, begins: Floats, ends: Floats, taken: Floats, blocks: Integers) -> None:
        self.size = size
        self.held = Level(begins, ends, taken)
        most = self.held.values.max(initial=0.0)
        named = np.flatnonzero(taken >= _NAMED_SHARE * most)
        self.blocks = blocks[named]
        self.track = Track(begins[named], ends[named])

    def shares(self, edges: Floats) -> Floats:
        """Mean share of the band's bytes held in each cell."""
        area = np.diff(edges) * self.size
        found: Floats = np.clip(np.diff(self.held.integral(edges)) / np.maximum(area, 1e-30), 0.0, 1.0)
        found[found < 1e-6] = 0.0
        return found


def _round_size(least: float) -> float:
    """The smallest 2^n or 1.5 x 2^n that is no less."""
    power = 2.0 ** max(0, floor(log2(max(least, 1.0))))
    return next(factor * power for factor in (1.0, 1.5, 2.0) if factor * power >= least)


class MemoryView:
    """One memory arranged by time and, per number of bands asked for, by address.

    held        bytes taken over time, each address once, however many tensors and partitions share it
    most_bytes  the most that is ever held, first at most_ns
    """

    def __init__(self, found: MemoryMap) -> None:
        self.map = found
        blocks = [one for one in found.blocks if one.last_ns > one.first_ns]
        self.blocks = sorted(blocks, key=lambda one: one.first_ns)
        self.begins = np.array([one.first_ns for one in self.blocks], np.float64)
        self.ends = np.array([one.last_ns for one in self.blocks], np.float64)
        self.low = np.array([one.start_byte for one in self.blocks], np.float64)
        self.high = np.array([one.end_byte for one in self.blocks], np.float64)
        self.held = self._held()
        lasting = np.append(np.diff(self.held.times) > 0.0, True) if self.blocks else np.empty(0, bool)
        values = np.where(lasting, self.held.values, 0.0)
        self.most_bytes = float(values.max(initial=0.0))
        self.most_ns = float(self.held.times[values.argmax()]) if self.blocks else 0.0
        self.extent_bytes = float(max(found.extent_bytes, 1))
        self._latest = Longest(self.ends)
        self._bands: dict[int, list[Band]] = {}

    def _held(self) -> Level:
        """Address by address: between two neighbouring ends of tensors all bytes are taken at the same times."""
        cuts = np.unique(np.concatenate((self.low, self.high)))
        first, stop = cuts.searchsorted(self.low), cuts.searchsorted(self.high)
        blocks = np.repeat(np.arange(len(self.blocks)), stop - first)
        pieces = np.arange(len(blocks)) - np.repeat(np.cumsum(stop - first) - stop, stop - first)
        order = np.argsort(pieces, kind="stable")
        bounds = pieces[order].searchsorted(np.arange(len(cuts)))
        taken = []
        for low, high in pairwise(bounds.tolist()):
            own = blocks[order[low:high]]
            taken.append(Union(self.begins[own], self.ends[own]))
        empty = np.empty(0)
        return Level(
            np.concatenate([empty, *(one.start for one in taken)]),
            np.concatenate([empty, *(one.end for one in taken)]),
            np.repeat(np.diff(cuts), [len(one.start) for one in taken]) if taken else empty,
        )

    def bands(self, count: int) -> list[Band]:
        """At most `count` bands of one round size from address 0 to the highest byte taken; lowest first."""
        if count not in self._bands:
            asked, size = count, _round_size(self.extent_bytes / count)
            count = ceil(self.extent_bytes / size)
            first = np.floor(self.low / size).astype(np.int64)
            stop = np.maximum(np.ceil(self.high / size).astype(np.int64), first + 1)
            stop = np.minimum(stop, count)
            lengths = np.maximum(stop - first, 0)
            blocks = np.repeat(np.arange(len(self.blocks)), lengths)
            begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
            band = first[blocks] + np.arange(len(blocks)) - begin
            taken = np.minimum(self.high[blocks], (band + 1) * size) - np.maximum(self.low[blocks], band * size)
            order = np.argsort(band, kind="stable")
            order = order[taken[order] > 0]
            bounds = band[order].searchsorted(np.arange(count + 1))
            found = []
            for number in range(count):
                own = order[bounds[number] : bounds[number + 1]]
                mine = blocks[own]
                found.append(Band(size, self.begins[mine], self.ends[mine], taken[own], mine))
            self._bands[asked] = found
            return found
        return self._bands[count]

    def alive_at(self, time_ns: float, limit: int) -> list[MemoryBlock]:
        """Up to `limit` tensors that hold bytes at a moment, the latest to begin first."""
        index: int | None = int(self.begins.searchsorted(time_ns, side="right")) - 1
        found: list[MemoryBlock] = []
        least = np.nextafter(time_ns, np.inf)
        while index is not None and index >= 0 and len(found) < limit:
            index = self._latest.previous(index, float(least))
            if index is not None:
                found.append(self.blocks[index])
                index -= 1
        return found


class MemoryViews:
    """The views of all runs on the screen."""

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self._known: dict[tuple[int, str], MemoryView] = {}
        for run in runs:
            for space in run.memory:
                self.of(run, space)

    def of(self, run: Run, space: str) -> MemoryView | None:
        """None when the tensors were not placed."""
        if space not in run.memory:
            return None
        key = (id(run), space)
        if key not in self._known:
            self._known[key] = MemoryView(run.memory[space])
        return self._known[key]


def memory_pane(state: State, width: int, height: int, views: MemoryViews) -> Content:
    """The map, highest addresses on top, then the tensors held at the cursor."""
    found = Content()
    run, space = state.run, state.space
    view = views.of(run, space)
    other = "PSUM" if space == "sbuf" else "SBUF"
    if view is None:
        found.add("the run was timed without placing its tensors: there is no memory to show")
        return found
    time = state.window.cursor_ns
    name = f"{run.name} " if len(state.runs) > 1 else ""
    now, capacity = bytes_text(view.held.at(time)), bytes_text(view.map.capacity_bytes)
    found.add(
        f"{name}{space.upper()} at {clock(time)}: {now} of {capacity} a partition (m: {other})",
        "bold",
    )
    peaks = run.profile.memory
    peak = bytes_text(peaks[space].peak_bytes) if space in peaks else "nothing"
    # Engines that run ahead hold more than the program in its order would.
    most = f"at most {bytes_text(view.most_bytes)}, at {clock(view.most_ns)}"
    found.add(f"{most}; the report's peak, in program order, {peak}", "dim")
    count = max(_LEAST_BANDS, height - _BESIDE)
    edges = state.window.edges
    for number, band in reversed(list(enumerate(view.bands(count)))):
        found.lines.append(_band_line(state, view, band, number, edges))
    alive = view.alive_at(state.window.cursor_ns, _LISTED)
    alive.sort(key=lambda one: one.start_byte)
    texts = [f"{one.name} {bytes_text(one.end_byte - one.start_byte)} at {one.start_byte:,}" for one in alive]
    found.lines += wrap(", ".join(texts) or "nothing", width, "  ", "at the cursor: ")
    return found


def _band_line(state: State, view: MemoryView, band: Band, number: int, edges: Floats) -> Line:
    cells = [shade(share) for share in band.shares(edges).tolist()]
    for position in band.track.wide(edges, BOX_CELLS).tolist():
        first, stop, left, right = extent(band.track, position, edges)
        if stop - first < BOX_CELLS:
            continue
        block = view.blocks[int(band.blocks[position])]
        cells[first:stop] = _named(block.name, cells[first:stop], left, right)
    label = f"{bytes_text(number * band.size):>{LABEL_CELLS - 1}} │"
    over = {state.window.cursor_cell: ("", "reverse bold")}
    return [(label, "dim"), *styled(cells, "cyan" if state.space == "sbuf" else "green", over), ("│", "dim")]


def _named(name: str, cells: list[str], cut_left: bool, cut_right: bool) -> list[str]:
    """The shades with brackets around and the name over them."""
    found = list(cells)
    first = 0 if cut_left else 1
    room = len(cells) - first - (0 if cut_right else 1)
    text = name[:room]
    found[first : first + len(text)] = list(text)
    if not cut_left:
        found[0] = "["
    if not cut_right:
        found[-1] = "]"
    return found
