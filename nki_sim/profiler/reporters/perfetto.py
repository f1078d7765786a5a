"""Chrome trace JSON, which ui.perfetto.dev opens: a track per engine and DMA stream, and the DMA rate as a counter.

Transfers of one direction can be under way together; each direction has as many tracks as it needs for none to overlap.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.words import place_text
from nki_sim.timing.lanes import ENGINES, KINDS, LANES, STALLS, TABLE_LOAD

MAX_EVENTS = 500_000
_COUNTER_CELLS = 1000
_TRACKS_PER_LANE = 64
_PROCESS = 1


class TraceTruncated(UserWarning):
    """The trace would have had more events than the limit; its end is missing."""


def write_trace(profile: Profile, path: str | Path, *, max_events: int = MAX_EVENTS) -> None:
    """Write the trace. More than `max_events` events are cut at the end of the run, with a TraceTruncated warning."""
    Path(path).write_text(json.dumps(trace(profile, max_events=max_events)), "utf-8")


def trace(profile: Profile, *, max_events: int = MAX_EVENTS) -> dict[str, Any]:
    """The trace as plain values."""
    rows = np.sort(profile.timeline, order="start_ns", kind="stable")
    left_out = max(0, len(rows) - max_events)
    if left_out:
        warnings.warn(
            f"the trace leaves out the last {left_out:,} of {len(rows):,} events", TraceTruncated, stacklevel=2
        )
        rows = rows[:max_events]
    tracks: dict[int, str] = {}
    events = [_event(profile, row, track) for row, track in zip(rows, _tracks(rows, tracks), strict=True)]
    title = f"{profile.program.name} on {profile.target.name}"
    names = [_name(0, "process_name", name=title)]
    for track, name in sorted(tracks.items()):
        names.append(_name(track, "thread_name", name=name))
        names.append(_name(track, "thread_sort_index", sort_index=track))
    return {
        "traceEvents": names + events + _rate(profile),
        "displayTimeUnit": "ns",
        "otherData": {
            "schema": "nki_sim.trace",
            "version": 1,
            "total_ns": profile.total_ns,
            "events_left_out": left_out,
        },
    }


def _name(track: int, what: str, **arguments: Any) -> dict[str, Any]:
    """A metadata event."""
    return {"ph": "M", "pid": _PROCESS, "tid": track, "name": what, "args": arguments}


def _tracks(rows: Any, names: dict[int, str]) -> list[int]:
    """The track of each row, rows in order of start; a lane gets a further track when a row would overlap."""
    ends: dict[int, list[float]] = {}
    found = []
    columns = (rows[name].tolist() for name in ("lane", "start_ns", "issue_end_ns"))
    for lane, start, end in zip(*columns, strict=True):
        room = ends.setdefault(lane, [])
        slot = next((number for number, until in enumerate(room) if until <= start), len(room))
        if slot == len(room):
            room.append(0.0)
        room[slot] = end
        track = 1 + lane * _TRACKS_PER_LANE + slot
        if track not in names:
            names[track] = LANES[lane] + (f" {slot + 1}" if slot else "")
        found.append(track)
    return found


def _event(profile: Profile, row: Any, track: int) -> dict[str, Any]:
    number = int(row["instruction"])
    instruction = profile.run.instructions[number]
    span = next(iter(profile.run.spans(number)), None)
    arguments: dict[str, Any] = {
        "kind": KINDS[row["kind"]],
        "instruction": number,
        "visible_after_ns": float(row["end_ns"] - row["start_ns"]),
    }
    if span is not None:
        arguments["line"] = place_text(span)
    if row["stall"]:
        arguments["waited_for"] = STALLS[row["stall"]]
        arguments["waited_ns"] = float(row["stall_ns"])
    return {
        "ph": "X",
        "pid": _PROCESS,
        "tid": track,
        # Chrome traces count in microseconds.
        "ts": float(row["start_ns"]) / 1e3,
        "dur": max(0.0, float(row["issue_end_ns"] - row["start_ns"])) / 1e3,
        "name": instruction.op if row["kind"] != TABLE_LOAD else "table load",
        "cat": "dma" if row["lane"] >= ENGINES else "engine",
        "args": arguments,
    }


def _rate(profile: Profile) -> list[dict[str, Any]]:
    """Bytes per ns on the DMA engines, averaged over equal slices of the run."""
    transfers, total = profile.run.transfers, profile.total_ns
    if not len(transfers) or total <= 0.0:
        return []
    rows = profile.timeline[transfers["row"]]
    edges = np.linspace(0.0, total, min(_COUNTER_CELLS, 1 + len(transfers) * 4) + 1)
    length = np.maximum(rows["issue_end_ns"] - rows["start_ns"], 1e-3)
    rate = transfers["moved_bytes"] / length
    # Each transfer adds its rate from start to end: a sum of ramps, differenced over the slices.
    at = np.concatenate([rows["start_ns"], rows["start_ns"] + length])
    step = np.concatenate([rate, -rate])
    order = np.argsort(at, kind="stable")
    at, slope = at[order], np.cumsum(step[order])
    moved = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(at))])
    mean = np.diff(np.interp(edges, at, moved, left=0.0, right=moved[-1])) / np.diff(edges)
    counter = {"ph": "C", "pid": _PROCESS, "tid": 0, "name": "DMA GB/s"}
    return [
        {**counter, "ts": float(start) / 1e3, "args": {"GB/s": round(float(value), 3)}}
        for start, value in zip(edges[:-1], mean, strict=True)
    ]
