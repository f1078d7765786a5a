"""The profile as JSON values, units in the names. `VERSION` changes when a field changes its meaning or goes away."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nki_sim.profiler.metrics import DEFINITIONS
from nki_sim.profiler.profile import Profile
from nki_sim.program.spans import SourceSpan

SCHEMA = "nki_sim.profile"
VERSION = 1


def to_json(profile: Profile) -> dict[str, Any]:
    """Plain dicts, lists, strings and numbers: ready for json.dumps."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "kernel": profile.program.name,
        "target": profile.target.name,
        "total_ns": profile.total_ns,
        "launch_ns": profile.launch_ns,
        "bottleneck": profile.bottleneck,
        "engines": {name: asdict(use) for name, use in profile.engines.items()},
        "metrics": asdict(profile.metrics),
        "definitions": dict(DEFINITIONS),
        "memory_bytes_per_partition": {space: asdict(use) for space, use in profile.memory.items()},
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
    }


def _place(span: SourceSpan | None) -> dict[str, Any] | None:
    return None if span is None else {"file": span.file, "line": span.line, "function": span.function}
