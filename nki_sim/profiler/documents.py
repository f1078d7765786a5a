"""Saved profiles: whether a JSON document is one, and has what a comparison reads of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nki_sim.profiler.reporters.schema import NAME, VERSION

Document = Mapping[str, Any]


_NUMBER = (int, float)
_READ: Mapping[str, type | tuple[type, ...]] = {
    "kernel": str,
    "target": str,
    "bottleneck": str,
    "total_ns": _NUMBER,
    "engines.*.busy_ns": _NUMBER,
    "metrics.*": _NUMBER,
    "instructions[].instruction": str,
    "instructions[].lane": str,
    "instructions[].busy_ns": _NUMBER,
    "instructions[].executions": _NUMBER,
    "stalls[].engine": str,
    "stalls[].reason": str,
    "stalls[].total_ns": _NUMBER,
    "engine_times[].engine": str,
    "engine_times[].waits_ns.*": _NUMBER,
    "critical_path[].lane": str,
    "critical_path[].cause": str,
    "critical_path[].total_ns": _NUMBER,
    "hbm_tensors_read[].tensor": str,
    "hbm_tensors_read[].times": _NUMBER,
    "lines[].busy_ns.*": _NUMBER,
    "lines[].stall_ns": _NUMBER,
    "lines[].moved_bytes": _NUMBER,
    "lines[].instructions": _NUMBER,
    "lines[].at.file": str,
    "lines[].at.line": _NUMBER,
    "lines[].at.text": str,
}
"""What a comparison reads of a profile, by path as in reporters.schema."""


def check_document(document: Any) -> None:
    """Raise ValueError unless `document` is a profile in the form this version writes."""
    schema = document.get("schema") if isinstance(document, Mapping) else None
    name = schema.get("name") if isinstance(schema, Mapping) else schema
    if name != NAME:
        raise ValueError("not a profile saved by nki-sim profile --save")
    version = schema.get("version") if isinstance(schema, Mapping) else document.get("version")
    if version != VERSION:
        raise ValueError(f"schema version {version}; this nki_sim reads version {VERSION}: save the profile again")
    for path, kind in _READ.items():
        wrong = _wrong(document, path.split("."), kind)
        if wrong is not None:
            raise ValueError(f"a damaged profile, {path}: {wrong}; save the profile again")


def _wrong(value: Any, path: Sequence[str], kind: type | tuple[type, ...]) -> str | None:
    """What is not as it should be at `path` below `value`; None when all is well."""
    if not path:
        return None if isinstance(value, kind) else f"{value!r:.40} is no {'text' if kind is str else 'number'}"
    name, listed = path[0].removesuffix("[]"), path[0].endswith("[]")
    if not isinstance(value, Mapping):
        return f"{value!r:.40} has no fields"
    if name == "*":
        found = (_wrong(one, path[1:], kind) for one in value.values())
    elif name not in value:
        return f"{name} is missing"
    elif listed:
        if not isinstance(value[name], list):
            return f"{name} is no list"
        found = (_wrong(one, path[1:], kind) for one in value[name])
    elif name == "at" and value[name] is None:
        return None
    else:
        return _wrong(value[name], path[1:], kind)
    return next((one for one in found if one is not None), None)
