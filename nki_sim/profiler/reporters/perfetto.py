"""Chrome trace JSON, which ui.perfetto.dev opens.

A track per engine, weight loads and DMA direction; flow arrows for dependences; counters for the bytes alive in SBUF
and PSUM and for DMA and HBM bandwidth. Transfers of one direction can be under way together; each direction has as many
tracks as it needs for none to overlap.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.profiler.charged_terms import phases_of
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.words import place_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.printer import format_operand
from nki_sim.timing.lanes import ENGINES, KINDS, LANES, STALLS, TABLE_LOAD, TENSOR
from nki_sim.timing.timeline import Rows, machine_rows

MAX_EVENTS = 200_000
# Up to so many events each says its operands and charged terms; beyond, the file would be too large to open.
DETAILED_EVENTS = 50_000
_COUNTER_CELLS = 1000
_TRACKS_PER_LANE = 64
_WEIGHTS = len(LANES)
_PROCESS = 1
Floats = npt.NDArray[np.float64]


class TraceTruncated(UserWarning):
    """The trace would have had more events than the limit; its end, or some arrows, are missing."""


def write_trace(profile: Profile, path: str | Path, *, max_events: int = MAX_EVENTS) -> None:
    """Write the trace. More than `max_events` events are cut at the end of the run, with a TraceTruncated warning."""
    text = json.dumps(trace(profile, max_events=max_events), separators=(",", ":"), allow_nan=False)
    Path(path).write_text(text, "utf-8")


def trace(profile: Profile, *, max_events: int = MAX_EVENTS) -> dict[str, Any]:
    """The trace as plain values. Arrows take what room the events leave."""
    rows = machine_rows(profile.run)
    rows = rows[rows["start_ns"] >= 0.0]
    left_out = max(0, len(rows) - max_events)
    rows = rows[:max_events]
    lanes = np.where(_is_load(rows), _WEIGHTS, rows["lane"])
    names: dict[int, str] = {}
    tracks = _tracks(rows, lanes, names)
    details = _Details(profile, detailed=len(rows) <= DETAILED_EVENTS)
    events = [_event(details, row, int(lane), track) for row, lane, track in zip(rows, lanes, tracks, strict=True)]
    arrows, arrows_left_out = _arrows(
        profile, rows, lanes, tracks, (max_events - len(rows)) // 2 if left_out == 0 else 0
    )
    if left_out or arrows_left_out:
        what = [f"the last {left_out:,} of {left_out + len(rows):,} events"] if left_out else []
        what += [f"{arrows_left_out:,} dependence arrows"] if arrows_left_out else []
        warnings.warn(f"the trace leaves out {' and '.join(what)}", TraceTruncated, stacklevel=2)
    head = [_metadata(0, "process_name", name=f"{profile.program.name} on {profile.target.name}")]
    for track, name in sorted(names.items()):
        head.append(_metadata(track, "thread_name", name=name))
        head.append(_metadata(track, "thread_sort_index", sort_index=track))
    return {
        "traceEvents": head + events + arrows + list(_counters(profile)),
        "displayTimeUnit": "ns",
        "otherData": {
            "schema": "nki_sim.trace",
            "version": 2,
            "total_ns": profile.total_ns,
            "events_left_out": left_out,
            "arrows_left_out": arrows_left_out,
        },
    }


def _metadata(track: int, what: str, **arguments: Any) -> dict[str, Any]:
    return {"ph": "M", "pid": _PROCESS, "tid": track, "name": what, "args": arguments}


def _is_load(rows: Rows) -> npt.NDArray[np.bool_]:
    """Which of machine_rows are weight loads."""
    found: npt.NDArray[np.bool_] = (
        (rows["lane"] == TENSOR)
        & (rows["start_ns"] == rows["load_start_ns"])
        & (rows["issue_end_ns"] == rows["end_ns"])
    )
    return found


def _tracks(rows: Rows, lanes: npt.NDArray[Any], names: dict[int, str]) -> list[int]:
    """The track of each row, rows in order of start; a lane gets a further track when a row would overlap."""
    ends: dict[int, list[float]] = {}
    found = []
    # The weight loads stand right below the Tensor Engine.
    order = {_WEIGHTS: 1} | {lane: lane + (1 if lane > TENSOR else 0) for lane in range(len(LANES))}
    columns = (lanes.tolist(), rows["start_ns"].tolist(), rows["issue_end_ns"].tolist())
    for lane, start, end in zip(*columns, strict=True):
        room = ends.setdefault(lane, [])
        slot = next((number for number, until in enumerate(room) if until <= start), len(room))
        if slot == len(room):
            room.append(0.0)
        room[slot] = end
        track = 1 + order[lane] * _TRACKS_PER_LANE + slot
        if track not in names:
            name = "tensor weight load" if lane == _WEIGHTS else LANES[lane]
            names[track] = name + (f" {slot + 1}" if slot else "")
        found.append(track)
    return found


class _Details:
    """What an event says of its instruction, made once per instruction."""

    def __init__(self, profile: Profile, detailed: bool) -> None:
        self.run = profile.run
        self.placement = None if profile.allocation is None else profile.allocation.placement
        self.detailed = detailed
        self._known: dict[int, dict[str, Any]] = {}
        self._terms: dict[int, dict[str, str]] = {}

    def of(self, number: int) -> dict[str, Any]:
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = self._make(number)
        return found

    def _make(self, number: int) -> dict[str, Any]:
        instruction = self.run.instructions[number]
        found: dict[str, Any] = {"instruction": number}
        spans = self.run.spans(number)
        if spans:
            found["line"] = place_text(spans[0])
        if not self.detailed:
            return found
        if len(spans) > 1:
            found["called from"] = ", ".join(place_text(span) for span in spans[1:])
        if spans:
            found["source"] = spans[0].text.strip()
        for name, value in instruction.operands.items():
            if value is not None:
                named = value.tensor.name if isinstance(value, AccessPattern) else ""
                found[f"operand {name}"] = f"{format_operand(value)}{f' ({named})' if named else ''}"
        work = self.run.works[number]
        key = id(work)
        if key not in self._terms:
            self._terms[key] = _terms(self, number)
        return found | self._terms[key]


def _terms(details: _Details, number: int) -> dict[str, str]:
    """``charged: occupying the engine`` -> ``580 ns = 533 ns formula F / clock_ghz + ...``."""
    found = {}
    for phase in phases_of(details.run, details.run.instructions[number], details.placement):
        parts = [f"{term.value_ns:.1f} ns {term.name}: {term.formula}" for term in phase.terms]
        found[f"charged, {phase.name}"] = f"{phase.value_ns:.1f} ns = " + " + ".join(parts)
    return found


def _event(details: _Details, row: Any, lane: int, track: int) -> dict[str, Any]:
    number = int(row["instruction"])
    kind = "weight load" if lane == _WEIGHTS else KINDS[row["kind"]]
    arguments: dict[str, Any] = {"kind": kind, **details.of(number)}
    arguments["visible_after_ns"] = round(float(row["end_ns"] - row["start_ns"]), 3)
    if row["stall"] and lane != _WEIGHTS:
        arguments["waited_for"] = STALLS[row["stall"]]
        arguments["waited_ns"] = round(float(row["stall_ns"]), 3)
    op = details.run.instructions[number].op
    return {
        "ph": "X",
        "pid": _PROCESS,
        "tid": track,
        # Chrome traces count in microseconds.
        "ts": float(row["start_ns"]) / 1e3,
        "dur": max(0.0, float(row["issue_end_ns"] - row["start_ns"])) / 1e3,
        "name": "table load" if row["kind"] == TABLE_LOAD else "weight load" if lane == _WEIGHTS else op,
        "cat": "dma" if row["lane"] >= ENGINES else "engine",
        "args": arguments,
    }


# -- arrows -----------------------------------------------------------------------------------------------------------


def _arrows(
    profile: Profile, rows: Rows, lanes: npt.NDArray[Any], tracks: list[int], room: int
) -> tuple[list[dict[str, Any]], int]:
    """A pair of flow events for each dependence whose two ends are in the trace; then how many found no room.

    They go from the last row of what is waited for to the first row of what waits.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, (instance, lane, kind) in enumerate(
        zip(rows["instance"].tolist(), lanes.tolist(), rows["kind"].tolist(), strict=True)
    ):
        if lane == _WEIGHTS or kind == TABLE_LOAD:
            continue
        first.setdefault(instance, number)
        last[instance] = number
    starts, ends = rows["start_ns"].tolist(), rows["issue_end_ns"].tolist()
    found: list[dict[str, Any]] = []
    count = 0
    for instance, waits in enumerate(profile.run.waits):
        target = first.get(instance)
        if target is None:
            continue
        for code in waits:
            source = last.get(code >> 1)
            if source is None or source == target:
                continue
            count += 1
            if count > room:
                continue
            # Inside the slice it leaves, so that viewers find it.
            leaves = max(starts[source], ends[source] - min(1.0, 0.5 * (ends[source] - starts[source])))
            common = {"pid": _PROCESS, "cat": "dependence", "name": "buffer reuse" if code & 1 else "data", "id": count}
            found.append({"ph": "s", "tid": tracks[source], "ts": leaves / 1e3, **common})
            arrives = max(starts[target], leaves)
            found.append({"ph": "f", "bp": "e", "tid": tracks[target], "ts": arrives / 1e3, **common})
    return found, max(0, count - room)


# -- counters ---------------------------------------------------------------------------------------------------------


def _counters(profile: Profile) -> Iterator[dict[str, Any]]:
    for space, found in profile.memory_map.items():
        name = f"{space.upper()} bytes per partition alive"
        begins = np.array([block.first_ns for block in found.blocks])
        lasts = np.array([block.last_ns for block in found.blocks])
        sizes = np.array([block.end_byte - block.start_byte for block in found.blocks], np.float64)
        for at, alive in zip(*_steps(begins, lasts, sizes), strict=True):
            yield _counter(name, float(at), {"bytes": float(alive)})
    run, total = profile.run, profile.total_ns
    transfers = run.transfers
    if not len(transfers) or total <= 0.0:
        return
    edges = np.linspace(0.0, total, min(_COUNTER_CELLS, 1 + len(transfers) * 4) + 1)
    moving = run.rows[transfers["row"]]
    rates = {name: _mean_rate(moving, transfers[name], edges) for name in ("moved_bytes", "read_bytes", "write_bytes")}
    columns = (edges[:-1].tolist(), *(rates[name].tolist() for name in rates))
    for at, moved, read, written in zip(*columns, strict=True):
        yield _counter("DMA GB/s", at, {"GB/s": round(moved, 3)})
        yield _counter("HBM GB/s", at, {"read": round(read, 3), "written": round(written, 3)})
    yield _counter("DMA GB/s", total, {"GB/s": 0.0})
    yield _counter("HBM GB/s", total, {"read": 0.0, "written": 0.0})


def _counter(name: str, time_ns: float, values: dict[str, float]) -> dict[str, Any]:
    return {"ph": "C", "pid": _PROCESS, "tid": 0, "name": name, "ts": time_ns / 1e3, "args": values}


def _steps(begins: Floats, lasts: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """When the sum of the sizes of the intervals changes, and what it is from there; thinned to the counter's cells."""
    at = np.concatenate([begins, lasts])
    change = np.concatenate([sizes, -sizes])
    moments, which = np.unique(at, return_inverse=True)
    alive = np.cumsum(np.bincount(which.reshape(-1), change, minlength=len(moments)))
    if len(moments) > _COUNTER_CELLS:
        # The peak of each stretch stays visible.
        groups = np.array_split(np.arange(len(moments)), _COUNTER_CELLS)
        kept = np.array([group[np.argmax(alive[group])] for group in groups[:-1]] + [len(moments) - 1])
        moments, alive = moments[kept], alive[kept]
    return moments.astype(np.float64), alive.astype(np.float64)


def _mean_rate(moving: Rows, sizes: npt.NDArray[Any], edges: Floats) -> Floats:
    """Bytes per ns, averaged over the slices between `edges`."""
    length = np.maximum(moving["issue_end_ns"] - moving["start_ns"], 1e-3)
    rate = sizes / length
    # Each transfer adds its rate from start to end: a sum of ramps, differenced over the slices.
    at = np.concatenate([moving["start_ns"], moving["start_ns"] + length])
    step = np.concatenate([rate, -rate])
    order = np.argsort(at, kind="stable")
    at, slope = at[order], np.cumsum(step[order])
    moved = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(at))])
    mean: Floats = np.diff(np.interp(edges, at, moved, left=0.0, right=moved[-1])) / np.diff(edges)
    return mean
