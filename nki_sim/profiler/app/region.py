"""The region pane: what the lanes did in the marked stretch of time, or in the window when none is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from nki_sim.profiler.app.lanes import clock
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content, Entry
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.text import columns
from nki_sim.profiler.app.tracks import Integers
from nki_sim.profiler.critical_path import DMA_BUSY
from nki_sim.profiler.words import bytes_text, percent, time_text
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import STALLS

_CAUSES = 2
_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneShare:
    """One lane in a region.

    busy_ns     time within the region that the lane was at work
    started     rows that start in the region; what follows adds up over those
    waited_ns   by cause, longest first
    """

    name: str
    busy_ns: float
    started: int
    moved_bytes: int
    read_bytes: int
    written_bytes: int
    waited_ns: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineShare:
    """Time of the rows of one source line that start in the region, on the lane where it is longest."""

    span: SourceSpan | None
    lane: str
    busy_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSummary:
    """A stretch [low_ns, high_ns) of one run."""

    low_ns: float
    high_ns: float
    lanes: Sequence[LaneShare]
    lines: Sequence[LineShare]


def summarise(run: Run, low_ns: float, high_ns: float, lines: int = _LINES) -> RegionSummary:
    """The region's lanes and its `lines` longest lines. Neighbouring regions add up to the region of both."""
    shares = []
    by_line = np.zeros((len(run.folded.lanes), max(1, len(run.line_spans))))
    lanes = run.folded.lanes
    for number, lane in enumerate(lanes):
        first, stop = (int(i) for i in lane.track.start.searchsorted([low_ns, high_ns]))
        causes = lane.by_cause.within(first, stop)
        order = [int(i) for i in np.argsort(-causes, kind="stable") if causes[i] > 1e-6]
        by_line[number] = lane.by_line.within(first, stop)
        shares.append(
            LaneShare(
                name=lane.name,
                busy_ns=lane.track.union.between(low_ns, high_ns),
                started=stop - first,
                moved_bytes=int(lane.moved[stop] - lane.moved[first]),
                read_bytes=int(lane.read[stop] - lane.read[first]),
                written_bytes=int(lane.written[stop] - lane.written[first]),
                waited_ns={DMA_BUSY if lane.is_queue else STALLS[i]: float(causes[i]) for i in order},
            )
        )
    longest = by_line.max(axis=0, initial=0.0)
    where = by_line.argmax(axis=0) if len(lanes) else np.zeros(len(longest), np.int64)
    top = [int(i) for i in np.argsort(-longest, kind="stable")[:lines] if longest[i] > 1e-6]
    return RegionSummary(
        low_ns=low_ns,
        high_ns=high_ns,
        lanes=shares,
        lines=[LineShare(span=run.line_spans[i], lane=lanes[where[i]].name, busy_ns=float(longest[i])) for i in top],
    )


def region_pane(state: State, width: int) -> Content:
    """The summary of the region on the run under the cursor."""
    found = Content()
    region = state.region
    marked = region is not None
    low, high = region if region is not None else (state.window.start_ns, state.window.end_ns)
    one = summarise(state.run, low, high)
    length = high - low
    head = "region" if marked else "the window (v marks a region)"
    name = f"{state.run.name}, " if len(state.runs) > 1 else ""
    found.add(f"{name}{head}: {clock(low)} to {clock(high)}, {time_text(length)}", "bold")
    rows = [("lane", "busy", "share", "starts", "moves", "waits of these, longest first")]
    for lane in one.lanes:
        causes = [f"{cause} {time_text(value)}" for cause, value in list(lane.waited_ns.items())[:_CAUSES]]
        moves = bytes_text(lane.moved_bytes) if lane.moved_bytes else ""
        busy, share = time_text(lane.busy_ns), percent(lane.busy_ns / length if length else 0.0)
        rows.append((lane.name, busy, share, f"{lane.started:,}", moves, ", ".join(causes)))
    table = columns(rows, right=(1, 2, 3, 4))
    found.add(table[0], "dim")
    for text in table[1:]:
        found.add(text)
    read = sum(lane.read_bytes for lane in one.lanes)
    written = sum(lane.written_bytes for lane in one.lanes)
    bandwidth = state.run.profile.target["hbm.bandwidth_bytes_per_ns"]
    share = percent((read + written) / (length * bandwidth) if length else 0.0)
    found.add(f"HBM: {bytes_text(read)} read, {bytes_text(written)} written, {share} of its bandwidth")
    if not one.lines:
        return found
    found.head("lines", "busy with what starts here; J K choose one and go to it")
    table = columns(
        [
            (time_text(entry.busy_ns), entry.lane, state.run.place(entry.span),
             "" if entry.span is None else entry.span.text.strip())
            for entry in one.lines
        ],
        right=(0,),
    )  # fmt: skip
    for used, text in zip(one.lines, table, strict=True):
        entry = Entry(
            line=len(found.lines),
            what=state.run.place(used.span),
            rows=partial(_rows, state.run, used.span, low, high),
        )
        found.choice(text, entry, state.entry)
    return found


def _rows(run: Run, span: SourceSpan | None, low_ns: float, high_ns: float) -> Integers:
    """The rows of a line that start in a stretch of time, in order of start."""
    rows = run.timeline.rows
    own = (run.line_of[rows["instruction"]] == run.line_number(span)) & (rows["start_ns"] >= low_ns)
    found = np.flatnonzero(own & (rows["start_ns"] < high_ns))
    ordered: Integers = found[np.argsort(rows["start_ns"][found], kind="stable")]
    return ordered
