"""The profile as JSON values with their schema; every field is described in reporters.schema."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.schema import FIELDS, NAME, VERSION, describe
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import LANES


def to_json(profile: Profile, *, advice: bool = True) -> dict[str, Any]:
    """Plain dicts, lists, strings and numbers: ready for json.dumps. Without `advice`, no replays are made for it."""
    found = _measured(profile)
    if advice:
        found["advice"] = [
            {
                "code": one.code,
                "title": one.title,
                "how": one.how,
                "replay": one.replay,
                "gain_ns": one.gain_ns,
                "gain_ratio": one.gain_ratio,
                "total_ns": one.total_ns,
                "at": [_place(span) for span in one.lines],
            }
            for one in profile.advice()
        ]
        found["no_advice"] = [
            {"title": one.title, "why": one.why, "at": [_place(span) for span in one.lines]}
            for one in profile.advised.rejected
        ]
    return found


def _measured(profile: Profile) -> dict[str, Any]:
    return {
        "schema": {"name": NAME, "version": VERSION, "fields": describe(FIELDS)},
        "kernel": profile.program.name,
        "target": profile.target.name,
        "total_ns": profile.total_ns,
        "launch_ns": profile.launch_ns,
        "bottleneck": profile.bottleneck,
        "engines": {name: asdict(use) for name, use in profile.engines.items()},
        "metrics": asdict(profile.metrics),
        "memory": {
            space: {"peak_bytes_per_partition": use.peak_bytes, "capacity_bytes_per_partition": use.capacity_bytes}
            for space, use in profile.memory.items()
        },
        "hbm_tensors_read": [
            {"tensor": one.tensor.name or f"%{one.tensor.index}", "read_bytes": one.read_bytes, "times": one.times}
            for one in profile.reloads
        ],
        "stalls": [
            {
                "engine": one.engine,
                "cause": one.cause,
                "reason": one.reason,
                "instruction": one.op,
                "at": _place(one.span),
                "cause_instruction": one.cause_op,
                "cause_at": _place(one.cause_span),
                "count": one.count,
                "total_ns": one.total_ns,
                "longest_ns": one.longest_ns,
            }
            for one in profile.stalls
        ],
        "lines": [
            {
                "at": _place(one.span),
                "instructions": one.instructions,
                "busy_ns": dict(one.busy_ns),
                "stall_ns": one.stall_ns,
                "moved_bytes": one.moved_bytes,
            }
            for one in profile.lines
        ],
        "instructions": by_instruction(profile),
        "engine_times": [asdict(one) for one in profile.engine_times],
        "critical_path": [
            {
                "at": _place(one.span),
                "instruction": one.op,
                "lane": one.lane,
                "cause": one.cause,
                "count": one.count,
                "total_ns": one.total_ns,
            }
            for one in profile.critical_path.shares
        ],
        "roofline": asdict(profile.roofline),
        "findings": [
            {
                "code": one.code,
                "message": one.message,
                "at": [_place(span) for span in one.lines],
                "share_ratio": one.share,
                "evidence": dict(one.evidence),
                "source": one.source,
            }
            for one in profile.findings
        ],
    }


def by_instruction(profile: Profile) -> list[dict[str, Any]]:
    """Executions, time and bytes by instruction and lane, most time first."""
    run = profile.run
    found: dict[tuple[str, str], dict[str, Any]] = {}
    keys: list[tuple[str, str] | None] = []
    for instruction, work, count in zip(run.instructions, run.works, run.counts.tolist(), strict=True):
        key = (instruction.op, LANES[work.lane]) if work is not None else None
        keys.append(key)
        if key is not None:
            entry = found.setdefault(
                key, {"instruction": key[0], "lane": key[1], "executions": 0, "busy_ns": 0.0, "moved_bytes": 0}
            )
            entry["executions"] += count
    names = {key: number for number, key in enumerate(found)}
    group_of = np.array([-1 if key is None else names[key] for key in keys], np.int64)
    rows, transfers = run.rows, run.transfers
    busy = rows["issue_end_ns"] - rows["start_ns"]
    busy[transfers["row"]] = transfers["pool_ns"]
    lane_of = np.array([LANES.index(lane) for _, lane in found], np.int64)
    groups = group_of[rows["instruction"]]
    # A trigger occupies the engine that issues it, not the lane of the transfer.
    own = (groups >= 0) & (rows["lane"] == lane_of[groups]) if len(lane_of) else np.zeros(len(rows), bool)
    took = np.bincount(groups[own], busy[own], minlength=len(found))
    moved = np.bincount(groups[transfers["row"]], transfers["moved_bytes"], minlength=len(found))
    for entry, time, count in zip(found.values(), took.tolist(), moved.tolist(), strict=True):
        entry["busy_ns"], entry["moved_bytes"] = time, int(count)
    return sorted(found.values(), key=lambda one: -one["busy_ns"])


def file_name(path: str) -> str:
    """Relative to the working directory where it lies below it, so that saved files can be compared elsewhere."""
    try:
        return Path(path).resolve().relative_to(Path(os.getcwd()).resolve()).as_posix()
    except ValueError:
        return path


def _place(span: SourceSpan | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {
        "file": file_name(span.file),
        "line": span.line,
        "function": span.function,
        "text": span.text.strip(),
    }
