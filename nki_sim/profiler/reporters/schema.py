"""What every exported field means and in which unit: the schema that JSON and CSV carry with them.

A path names a field: ``stalls[].total_ns`` is in each entry of a list, ``engines.*.busy_ns`` in each value of a
dictionary. VERSION changes when a field changes its meaning or goes away; a new field leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nki_sim.profiler.metrics import DEFINITIONS

NAME = "nki_sim.profile"
VERSION = 2


@dataclass(frozen=True, slots=True)
class Field:
    """unit "" for text; "1" for plain numbers and ratios."""

    unit: str
    meaning: str


_UNITS = (
    ("_flops_per_byte", "FLOP/byte"),
    ("_bytes_per_partition", "bytes per partition"),
    ("_bytes_per_ns", "bytes/ns"),
    ("_tflops", "TFLOP/s"),
    ("_flops", "FLOP"),
    ("_bytes", "bytes"),
    ("_ratio", "1"),
    ("_ns", "ns"),
)


def unit_of(name: str) -> str:
    """The unit that the end of a field's name stands for; "1" for counts."""
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "1")


def _place(path: str, what: str) -> dict[str, Field]:
    return {
        f"{path}.file": Field("", f"source file of {what}, relative to the working directory where it lies below it"),
        f"{path}.line": Field("1", "line number, from 1"),
        f"{path}.function": Field("", "Python function around the line"),
        f"{path}.text": Field("", "the line itself"),
    }


def _named(path: str, fields: Mapping[str, str]) -> dict[str, Field]:
    return {f"{path}.{name}": Field(unit_of(name), meaning) for name, meaning in fields.items()}


_TEXT = {
    "schema.name": Field("", "always nki_sim.profile"),
    "schema.version": Field("1", "changes when a field changes its meaning or goes away"),
    "schema.fields.*.unit": Field("", 'unit of the field; "1" for counts and ratios, empty for text'),
    "schema.fields.*.meaning": Field("", "what the field says"),
    "kernel": Field("", "name of the kernel"),
    "target": Field("", "hardware generation: trn1, inf2, trn2 or trn3"),
    "bottleneck": Field("", "one sentence: what bounds this run"),
    "total_ns": Field("ns", "simulated time of the kernel body"),
    "launch_ns": Field("ns", "the runtime's overhead around it, not contained in total_ns"),
}

_STALLS = {
    "stalls[].engine": Field("", "the engine that stood still"),
    "stalls[].cause": Field("", "kind of cause: the lane that made it wait, or a state of the machine"),
    "stalls[].reason": Field("", "the cause in words"),
    "stalls[].instruction": Field("", "instruction that waited"),
    "stalls[].cause_instruction": Field("", "instruction waited for; empty when there is none"),
    **_place("stalls[].at", "the instruction that waited"),
    **_place("stalls[].cause_at", "the instruction waited for"),
    **_named(
        "stalls[]",
        {"count": "number of waits", "total_ns": "their time together", "longest_ns": "the longest of them"},
    ),
}

_FINDINGS = {
    "findings[].code": Field("", "stable name of the rule"),
    "findings[].message": Field("", "one sentence with the numbers"),
    **_place("findings[].at[]", "what shows it most"),
    "findings[].share_ratio": Field("1", "how much of the run is concerned"),
    "findings[].evidence.*": Field("see name", "the numbers behind the sentence"),
    "findings[].source": Field("", "document of the rule and of its threshold"),
    "advice[].code": Field("", "hoist, merge, bfloat16, buffer, queue, engine or unroll"),
    "advice[].title": Field("", "the change"),
    "advice[].how": Field("", "what to write"),
    "advice[].replay": Field("", "what was replayed, with both times"),
    **_place("advice[].at[]", "where to make it"),
    **_named(
        "advice[]",
        {
            "gain_ns": "simulated time saved in a replay of the changed program",
            "gain_ratio": "the same as a share of total_ns",
            "total_ns": "simulated time with the change",
        },
    ),
    "no_advice[].title": Field("", "another change that was thought of"),
    "no_advice[].why": Field("", "why it is no advice: what its replay gave, or why it was not replayed"),
    **_place("no_advice[].at[]", "where it would be made"),
}

_PATH = {
    "critical_path[].lane": Field("", "engine, or direction of a transfer; empty before the first instruction"),
    "critical_path[].cause": Field(
        "", "busy, drain, signal, first packet, dma engines taken, start, or a kind of stall"
    ),
    "critical_path[].instruction": Field("", "instruction at work or awaited; empty when there is none"),
    **_place("critical_path[].at", "that instruction"),
    **_named(
        "critical_path[]",
        {"count": "stretches of the path added up here", "total_ns": "their length; all of them add up to total_ns"},
    ),
}

_ENGINE_TIMES = {
    "engine_times[].engine": Field("", "an engine that executed something"),
    "engine_times[].waits_ns.*": Field("ns", "time it waited for a cause of that name"),
    **_named(
        "engine_times[]",
        {
            "busy_ns": "time at work; tensor: without what the cold clock cost",
            "done_ns": "time after its last instruction",
        },
    ),
}

_ROOFLINE = _named(
    "roofline",
    {
        "peak_tflops": "peak of the Tensor engine in bfloat16",
        "used_peak_tflops": "the same for the mix of types the matmuls use",
        "hbm_bytes_per_ns": "HBM bandwidth",
        "ridge_flops_per_byte": "intensity at which peak and bandwidth allow the same",
        "intensity_flops_per_byte": "model FLOPs per byte of HBM traffic in this run; 0 without matmuls",
        "achieved_tflops": "model FLOPs / total_ns",
        "allowed_tflops": "what the bandwidth allows at this intensity, at most the used peak",
    },
)

FIELDS: Mapping[str, Field] = {
    **_TEXT,
    **_named(
        "engines.*",
        {
            "busy_ns": "time the engine is occupied; dma: the DMA engines as if they worked together",
            "active_ratio": "busy_ns / total_ns, at most 1",
            "instructions": "instructions executed; dma: transfers",
            "dma_triggers": "transfers the engine asked for, which keeps it busy too",
        },
    ),
    **_named("metrics", DEFINITIONS),
    **_named(
        "memory.*",
        {
            "peak_bytes_per_partition": "most bytes in use at once",
            "capacity_bytes_per_partition": "bytes there are",
        },
    ),
    "hbm_tensors_read[].tensor": Field("", "name of an HBM tensor that was read"),
    **_named(
        "hbm_tensors_read[]",
        {"read_bytes": "bytes read from it", "times": "how often it was read: bytes read, broadcasts once, / its size"},
    ),
    **_STALLS,
    **_place("lines[].at", "the instructions counted here"),
    **_named(
        "lines[]",
        {
            "instructions": "instructions executed",
            "stall_ns": "time its instructions made their engines wait",
            "moved_bytes": "bytes moved by its transfers",
        },
    ),
    "lines[].busy_ns.*": Field("ns", "time taken of the lane of that name; dma: the share of all DMA engines"),
    "instructions[].instruction": Field("", "name of the instruction"),
    "instructions[].lane": Field("", "engine, or direction of the transfers"),
    **_named(
        "instructions[]",
        {
            "executions": "how often it was executed",
            "busy_ns": "time taken of the lane; dma: the share of all DMA engines",
            "moved_bytes": "bytes moved",
        },
    ),
    **_ENGINE_TIMES,
    **_PATH,
    **_ROOFLINE,
    **_FINDINGS,
}
"""Every field of the JSON document, by path."""

TIMELINE: Mapping[str, Field] = {
    "lane": Field("", "engine, or direction of a transfer"),
    "kind": Field("", "compute, matmul, transpose, trigger, transfer, table load, register or branch"),
    "instruction": Field("", "name of the instruction"),
    "start_ns": Field("ns", "start"),
    "issue_end_ns": Field("ns", "the lane can take the next one"),
    "end_ns": Field("ns", "its results can be seen"),
    "weight_load_start_ns": Field("ns", "start of a matmul's weight load; empty for others"),
    "stall": Field("", "why the lane was idle before it; empty when it was not"),
    "stall_ns": Field("ns", "for how long"),
    "waited_for": Field("1", "index of the instruction waited for; empty when there is none"),
    "index": Field("1", "index of the instruction in the program, loop bodies once"),
    "instance": Field("1", "which execution of the run"),
    "file": Field("", "source file"),
    "line": Field("1", "line number, from 1"),
    "moved_bytes": Field("bytes", "bytes of a transfer; empty for others"),
    "descriptors": Field("1", "contiguous runs of a transfer; empty for others"),
}
"""Columns of timeline.csv, one row for each machine instruction or transfer."""

TENSORS: Mapping[str, Field] = {
    "space": Field("", "sbuf or psum"),
    "name": Field("", "as the kernel calls it, %3 when it has no name"),
    "dtype": Field("", "element type"),
    "shape": Field("", "partitions first, as in 128x512"),
    "first_partition": Field("1", "first partition it takes"),
    "partitions": Field("1", "partitions it takes"),
    "start_byte": Field("bytes", "first byte in each of them"),
    "end_byte": Field("bytes", "one past its last byte"),
    "first_ns": Field("ns", "start of the first instruction during which its bytes must stay"),
    "last_ns": Field("ns", "end of the last"),
    "file": Field("", "source file of its allocation"),
    "line": Field("1", "line of its allocation, from 1"),
}
"""Columns of tensors.csv, one row for each tensor in SBUF and PSUM."""


def describe(fields: Mapping[str, Field]) -> dict[str, dict[str, str]]:
    """Fields as plain values."""
    return {path: {"unit": field.unit, "meaning": field.meaning} for path, field in fields.items()}


def page() -> str:
    """docs/profile-schema.md."""
    lines = [
        "# Profile files",
        "",
        "`nki-sim profile FILE --format json` and `--save FILE.json` write one document per kernel; `--csv DIRECTORY`",
        "writes tables. Units stand in the names of the fields, and every document carries this schema with it under",
        "`schema`; the CSV tables have it in `csv-metadata.json` beside them, in the form of the W3C's CSV on the Web.",
        "Simulated time is deterministic: the same kernel, shapes and version of nki_sim give the same file.",
        "",
        f"Schema `{NAME}`, version {VERSION}. `[]` stands for each entry of a list, `*` for each name in a dictionary.",
        "",
        "## JSON",
        "",
        *_table(FIELDS),
        "",
        "## timeline.csv",
        "",
        "One row for each machine instruction or transfer, in order of issue.",
        "",
        *_table(TIMELINE),
        "",
        "## tensors.csv",
        "",
        "One row for each tensor in SBUF and PSUM.",
        "",
        *_table(TENSORS),
        "",
        "## Other tables",
        "",
        "`engines.csv`, `memory.csv`, `metrics.csv`, `hbm_tensors_read.csv`, `stalls.csv`, `lines.csv`,",
        "`instructions.csv` and `critical_path.csv` hold the lists and dictionaries of the JSON document under",
        "the same names; `at.file` becomes `at_file`.",
        "",
    ]
    return "\n".join(lines)


def _table(fields: Mapping[str, Field]) -> list[str]:
    rows = [
        f"| `{path}` | {field.unit or 'text'} | {field.meaning.replace('|', '/')} |" for path, field in fields.items()
    ]
    return ["| field | unit | meaning |", "|---|---|---|", *rows]
