"""Makes data/traces.csv and data/profiles.csv from neuron-profile JSON exports.

`python -m benchmarks.fidelity.extract DIR`. The exports are public: allenkchau/trainium-kernel-fusion @d709ddf (MIT),
profiling/artifacts/*/json_reports, one file per run; DIR holds them as fused_fp32_s512.json and so on. Kept of each
machine instruction are its engine, times, shape and what it waits for, as the number of the instruction that signals;
of each run its length and the phase of the clock's windows. Nothing else of the exports is carried.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
FIELDS = ("profile", "number", "engine", "start_ns", "duration_ns", "opcode", "detail", "waits")
_NAMES = {
    "LDWEIGHTS": "load weights",
    "MATMUL": "matmul",
    "ACTIVATE": "activate",
    "COPY": "copy",
    "CAST": "copy",
    "TENSOR_REDUCE": "reduce",
    "RECIPROCAL": "reciprocal",
    "TENSOR_SCALAR": "scale",
    "DMA_DIRECT2D": "dma",
    "EVENT_SEMAPHORE": "wait",
    "NOP": "wait",
}
_WINDOW_NS = 4096 / 1.2
_WAIT = re.compile(r"(?<!\$)S\[(\d+)\] \(\w+\)>=(\d+)")
_SIGNAL = re.compile(r"(?<!\$)S\[(\d+)\] \(\w+\)\+\+@complete")
_DMA_SIGNAL = re.compile(r"semaphore=(\d+) ")
_PSUM = 0x2000000
_CHIP, _CHIP_END = 0x802000000000, 0x805000000000

Record = dict[str, Any]


def records(export: Mapping[str, Any]) -> list[Record]:
    """The instructions of the kernel body, in order of start, as rows of traces.csv without the profile's name."""
    instructions = sorted(export["instruction"], key=lambda i: i["timestamp"])
    first = next(i for i in instructions if i["opcode"] == "DMA_DIRECT2D")
    kept: list[Record] = []
    signallers: dict[int, list[int]] = defaultdict(list)
    transfers: dict[int, int] = {}
    for one in instructions:
        text = one["operands"]
        if one["subgraph"] != first["subgraph"] or one["timestamp"] < first["timestamp"] or one["opcode"] not in _NAMES:
            continue
        asked = [(int(s), int(value)) for s, value in _WAIT.findall(text)]
        if one["opcode"] in ("EVENT_SEMAPHORE", "NOP") and not asked:
            continue
        number = len(kept)
        waits = [transfers[s] if s in transfers else signallers[s][value - 1] for s, value in asked]
        kept.append(
            {
                "number": number,
                "engine": one["subgroup"].lower(),
                "start_ns": one["timestamp"] - first["timestamp"],
                "duration_ns": one["duration"],
                "opcode": _NAMES[one["opcode"]],
                "detail": _detail(one["opcode"], text),
                "waits": " ".join(map(str, waits)),
            }
        )
        for signal in _SIGNAL.findall(text):
            signallers[int(signal)].append(number)
        if one["opcode"] == "DMA_DIRECT2D":
            found = _DMA_SIGNAL.search(text)
            assert found is not None
            transfers[int(found.group(1))] = number
    return kept


def _detail(opcode: str, text: str) -> str:
    """What decides the cost: types, elements per partition, memories; for a DMA its descriptors and alignment."""
    if opcode == "DMA_DIRECT2D":
        return _dma_detail(text)
    if opcode in ("EVENT_SEMAPHORE", "NOP"):
        return ""
    shapes = re.findall(r"(?:src|dst)=(\w+)@(0x[0-9a-f]+)(?:\[[-\d,]+\])\[([\d,]+)\]", text)
    kind, address, sizes = shapes[0]
    elements = 1
    for size in sizes.split(","):
        elements *= int(size)
    kind = kind.replace("bfloat16", "bf16")
    if opcode == "LDWEIGHTS":
        return f"{kind} {elements}" + (" transpose" if "transpose_mode=ENABLED" in text else "")
    if opcode == "MATMUL":
        return f"{kind} {elements}"
    out = shapes[1][0].replace("bfloat16", "bf16")
    memory = "psum" if int(address, 16) >= _PSUM else "sbuf"
    return f"{kind} {elements} {memory} {out}"


def _dma_detail(text: str) -> str:
    generator = "sw" if "table_index" in text else "hw"
    found = re.search(
        r"src_elem_size=(\d+) dst_elem_size=(\d+) src_pattern=\S+ dst_pattern=\[\d+,\d+\]\[(\d+),(\d+)\]", text
    )
    assert found is not None
    read, written, one, other = map(int, found.groups())
    target = re.search(r"dst_addr_imm=(0x[0-9a-f]+)", text)
    load = target is not None and _CHIP <= int(target.group(1), 16) < _CHIP_END
    rows = one * other
    return f"{generator} {'load' if load else 'store'} {rows} {read} {written}"


def body_ns(export: Mapping[str, Any], start_ns: int) -> int:
    """First DMA trigger to the last packet of the kernel's own queues."""
    ends = [p["timestamp"] + p["duration"] for p in export["dma"] if "dynamic" in p["queue_type"]]
    return int(max(ends)) - start_ns


def main(folder: Path) -> None:
    """Write both tables."""
    with (DATA / "traces.csv").open("w", newline="") as traces, (DATA / "profiles.csv").open("w", newline="") as runs:
        rows = csv.DictWriter(traces, FIELDS, lineterminator="\n")
        rows.writeheader()
        table = csv.writer(runs, lineterminator="\n")
        table.writerow(("profile", "body_ns", "clock_phase_ns", "instructions"))
        for file in sorted(folder.glob("*_s*.json")):
            export = json.loads(file.read_text())
            kept = records(export)
            start = min(i["timestamp"] for i in export["instruction"] if i["opcode"] == "DMA_DIRECT2D")
            change = min(h["timestamp"] for h in export["ham"])
            phase = (change - start) % _WINDOW_NS
            table.writerow((file.stem, body_ns(export, start), round(phase), len(kept)))
            rows.writerows({"profile": file.stem, **record} for record in kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
