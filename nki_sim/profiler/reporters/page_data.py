"""What the HTML page draws, as plain values: lanes, memory and stalls, thinned so that a page stays small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.profiler.memory_map import MemoryMap
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.words import place_text
from nki_sim.program.printer import format_instruction
from nki_sim.timing.lanes import LANES, STALLS, TABLE_LOAD, TENSOR, TRIGGER
from nki_sim.timing.timeline import Rows, machine_rows

MAX_BLOCKS = 40_000
"""Beyond so many rows, neighbours closer than a CELLS-th of the run are drawn as one block."""
CELLS = 2048
MAX_TENSORS = 4_000
MAX_DETAILS = 5_000
"""Of more different instructions the page does not say the operands, which would make most of it."""
_WEIGHTS = "tensor weights"


class _Names:
    """Strings by number, each kept once."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self.known.setdefault(name, len(self.known))

    @property
    def all(self) -> list[str]:
        return list(self.known)


def page_data(profile: Profile, *, max_blocks: int = MAX_BLOCKS) -> dict[str, Any]:
    """lanes with blocks [start_ns, end_ns, name, line, how many, stall cause, stall_ns, detail], and memory."""
    rows = machine_rows(profile.run)
    rows = rows[rows["start_ns"] >= 0.0]
    names, places = _Names(), _Names()
    merged = len(rows) > max_blocks
    lanes: list[dict[str, Any]] = []
    for title, selected in _by_lane(rows):
        blocks = _blocks(profile, title, selected, names, places)
        lanes.append({"name": title, "blocks": _merge(blocks, profile.total_ns / CELLS) if merged else blocks})
    details = _details(profile, [block for lane in lanes for block in lane["blocks"]])
    return {
        "total_ns": round(profile.total_ns, 1),
        "merged": merged,
        "rows": len(rows),
        "lanes": lanes,
        "names": names.all,
        "places": places.all,
        "details": details,
        "causes": list(STALLS),
        "memory": [_memory(found) for found in profile.memory_map.values()],
    }


def _by_lane(rows: Rows) -> list[tuple[str, Rows]]:
    """Lanes that executed something; the weight loads below the Tensor Engine."""
    loads = (
        (rows["lane"] == TENSOR)
        & (rows["start_ns"] == rows["load_start_ns"])
        & (rows["issue_end_ns"] == rows["end_ns"])
    )
    found: list[tuple[str, Rows]] = []
    for lane, name in enumerate(LANES):
        found.append((name, rows[(rows["lane"] == lane) & ~loads]))
        if lane == TENSOR:
            found.append((_WEIGHTS, rows[loads]))
    return [(name, selected) for name, selected in found if len(selected)]


Block = list[Any]


def _blocks(profile: Profile, title: str, rows: Rows, names: _Names, places: _Names) -> list[Block]:
    known: dict[tuple[int, int], tuple[int, int]] = {}
    found: list[Block] = []
    fields = ("start_ns", "issue_end_ns", "instruction", "kind", "stall", "stall_ns")
    for start, end, number, kind, stall, waited in zip(*(rows[field].tolist() for field in fields), strict=True):
        labels = known.get((number, kind))
        if labels is None:
            labels = known[number, kind] = _labels(profile, title, number, kind, names, places)
        name, place = labels
        if title == _WEIGHTS:
            stall, waited = 0, 0.0
        found.append([round(start, 1), round(end, 1), name, place, 1, stall, round(waited, 1), number])
    return found


def _labels(profile: Profile, title: str, number: int, kind: int, names: _Names, places: _Names) -> tuple[int, int]:
    instruction = profile.run.instructions[number]
    op = instruction.op
    if title == _WEIGHTS:
        op = f"weights of {op}"
    elif kind == TABLE_LOAD:
        op = "table load"
    elif kind == TRIGGER:
        op = f"{op} trigger"
    elif op == "activation" and instruction.attributes.get("op"):
        op = f"{op} {instruction.attributes['op']}"
    span = next(iter(profile.run.spans(number)), None)
    place = f"{place_text(span)}  {span.text.strip()}" if span is not None else ""
    return names.number(op), places.number(place)


def _details(profile: Profile, blocks: Sequence[Block]) -> list[str]:
    """The instructions as text, and in place of its index each block's number in that list."""
    details = _Names()
    shown = {block[7] for block in blocks}
    for block in blocks:
        instruction = profile.run.instructions[block[7]]
        block[7] = details.number(format_instruction(instruction) if len(shown) <= MAX_DETAILS else instruction.op)
    return details.all


def _merge(blocks: Sequence[Block], gap_ns: float) -> list[Block]:
    """Neighbours closer than `gap_ns` as one block with the name that comes most often."""
    found: list[Block] = []
    counts: dict[tuple[int, int, int], int] = {}
    for block in blocks:
        if found and block[0] - found[-1][1] < gap_ns and block[1] - found[-1][0] < 2 * gap_ns:
            last = found[-1]
            last[1] = max(last[1], block[1])
            last[4] += 1
            key = (block[2], block[3], block[7])
            counts[key] = counts.get(key, 0) + 1
            last[2], last[3], last[7] = max(counts, key=counts.__getitem__)
            last[5], last[6] = 0, 0.0
        else:
            found.append(list(block))
            counts = {(block[2], block[3], block[7]): 1}
    return found


def _memory(found: MemoryMap) -> dict[str, Any]:
    """One memory: tensors [start_ns, end_ns, first byte, end byte, name]; the smallest left out when there are many."""
    names = _Names()
    blocks = list(found.blocks)
    left_out = max(0, len(blocks) - MAX_TENSORS)
    if left_out:
        weight = np.array([(one.end_byte - one.start_byte) * (one.last_ns - one.first_ns) for one in blocks])
        blocks = [blocks[number] for number in sorted(np.argsort(-weight, kind="stable")[:MAX_TENSORS].tolist())]
    return {
        "space": found.space,
        "capacity_bytes": found.capacity_bytes,
        "extent_bytes": found.extent_bytes,
        "left_out": left_out,
        "tensors": [
            [
                round(one.first_ns, 1),
                round(one.last_ns, 1),
                one.start_byte,
                one.end_byte,
                names.number(f"{one.name}  {one.tensor.dtype}{list(one.tensor.shape)}  {place_text(one.span)}"),
            ]
            for one in blocks
        ],
        "names": names.all,
    }


Floats = npt.NDArray[np.float64]


def lane_rows(profile: Profile) -> list[tuple[str, Floats, Floats]]:
    """(name, starts, ends) of the lanes that executed something."""
    rows = profile.timeline
    found = []
    for lane, name in enumerate(LANES):
        own = rows[rows["lane"] == lane]
        if len(own):
            found.append((name, own["start_ns"], own["issue_end_ns"]))
    return found


__all__ = ["CELLS", "MAX_BLOCKS", "lane_rows", "page_data"]
