"""Stalls: where an engine stood still, for how long, and what it waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nki_sim.profiler.lines import lines_of
from nki_sim.profiler.triggers import trigger_ns
from nki_sim.program.access import AccessPattern
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import ENGINES, LANES, REUSE_STALL, STALLS, SYNC, TRIGGER
from nki_sim.timing.timeline import Rows, Timeline, busy_ns

BUFFER_REUSE = STALLS[REUSE_STALL]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Waits of one engine at one line for one cause, added up.

    engine, cause    names; cause is one of STALLS
    space    memory of the buffer waited for when the cause is "buffer reuse": "sbuf", "psum" or "hbm"; else ""
    op, span         the instruction that waited and its line
    cause_op, cause_span    the instruction waited for, "" and None when there is none
    """

    engine: str
    cause: str
    op: str
    span: SourceSpan | None
    cause_op: str
    cause_span: SourceSpan | None
    count: int
    total_ns: float
    longest_ns: float
    space: str = ""

    @property
    def reason(self) -> str:
        """Why, in words."""
        buffer = "PSUM bank" if self.space == "psum" else "buffer"
        what = {
            "buffer reuse": f"until {self.cause_op or 'an earlier instruction'} no longer needs the {buffer}",
            "table load": "for a function table",
            "weight load": "for its weights",
            "dma queue": "for the descriptor generator",
            "loop branch": "at the loop's branch",
        }.get(self.cause)
        return what or f"for {self.cause_op or 'a result'} ({self.cause})"


def find_stalls(timeline: Timeline, limit: int | None = None) -> list[Stall]:
    """Waits of the compute engines, longest first; a trigger that waits for data holds nobody up and is left out."""
    rows = timeline.rows
    rows = rows[(rows["lane"] < SYNC) & (rows["kind"] != TRIGGER) & (rows["stall_ns"] > 0.0) & (rows["stall"] > 0)]
    if not len(rows):
        return []
    line_of, _ = lines_of(timeline)
    keys = np.stack(
        [
            rows["lane"].astype(np.int64),
            rows["stall"].astype(np.int64),
            line_of[rows["instruction"]],
            np.where(rows["cause"] >= 0, line_of[rows["cause"]], -1),
        ],
        axis=1,
    )
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    total = np.bincount(group, rows["stall_ns"])
    count = np.bincount(group)
    longest = np.zeros(len(first))
    np.maximum.at(longest, group, rows["stall_ns"])
    found = []
    for number in np.argsort(-total, kind="stable")[:limit]:
        row = rows[first[number]]
        waiting, cause = int(row["instruction"]), int(row["cause"])
        found.append(
            Stall(
                engine=LANES[row["lane"]],
                cause=STALLS[row["stall"]],
                op=timeline.instructions[waiting].op,
                span=next(iter(timeline.spans(waiting)), None),
                cause_op="" if cause < 0 else timeline.instructions[cause].op,
                cause_span=next(iter(timeline.spans(cause)), None),
                count=int(count[number]),
                total_ns=float(total[number]),
                longest_ns=float(longest[number]),
                space=written_space(timeline, waiting) if STALLS[row["stall"]] == BUFFER_REUSE else "",
            )
        )
    return found


def written_space(timeline: Timeline, instruction: int) -> str:
    """The memory that an instruction writes; "" for one that writes none."""
    dst = timeline.instructions[instruction].operands.get("dst")
    return dst.tensor.space if isinstance(dst, AccessPattern) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTime:
    """Where the time of one engine went; the parts add up to the total.

    busy_ns     at work; for the Tensor engine without what the cold clock cost
    waits_ns    by cause, longest first: another lane's result, "psum bank", "sbuf buffer", "hbm order", "table load",
                "weight load", "dma queue", "loop branch", "clock not warm" (Tensor only), "other"
    done_ns     after its last instruction
    """

    engine: str
    busy_ns: float
    waits_ns: Mapping[str, float]
    done_ns: float


_REUSED = {"psum": "psum bank", "sbuf": "sbuf buffer", "hbm": "hbm order"}


def time_by_engine(timeline: Timeline) -> list[EngineTime]:
    """The engines that executed something, in order of LANES; triggers count as work of the engine that issues them."""
    found = []
    triggers = trigger_ns(timeline)
    for lane, name in enumerate(LANES[:ENGINES]):
        rows = timeline.rows[timeline.rows["lane"] == lane]
        if not len(rows):
            continue
        busy, last = busy_ns(rows), float(rows["issue_end_ns"].max())
        waits = _gaps(timeline, rows)
        # Triggers that stand before a full queue are at work for the lane, but not for the reader.
        full = np.minimum(rows["issue_end_ns"] - rows["start_ns"] - triggers[rows["instruction"]], busy)
        queued = float(full[(rows["kind"] == TRIGGER) & (full > 0.0)].sum())
        if queued > 0.0:
            waits["dma queue"] = waits.get("dma queue", 0.0) + queued
            busy -= queued
        if name == "tensor" and timeline.slow_clock_ns > 0.0:
            waits["clock not warm"] = timeline.slow_clock_ns
            busy -= timeline.slow_clock_ns
        found.append(
            EngineTime(
                engine=name,
                busy_ns=busy,
                waits_ns=dict(sorted(waits.items(), key=lambda pair: -pair[1])),
                done_ns=timeline.total_ns - last,
            )
        )
    return found


def _gaps(timeline: Timeline, rows: Rows) -> dict[str, float]:
    """Idle time of a lane between its rows, by what the row after the gap waited for."""
    rows = rows[np.argsort(rows["start_ns"], kind="stable")]
    reached = np.concatenate(([0.0], np.maximum.accumulate(rows["issue_end_ns"])[:-1]))
    gaps = rows["start_ns"] - reached
    waits: dict[str, float] = {}
    for stall in np.unique(rows["stall"][gaps > 0.0]).tolist():
        own = (gaps > 0.0) & (rows["stall"] == stall)
        lengths = np.bincount(rows["instruction"][own], gaps[own])
        for number in np.flatnonzero(lengths).tolist():
            cause = STALLS[stall] if stall else "other"
            if cause == BUFFER_REUSE:
                cause = _REUSED.get(written_space(timeline, number), BUFFER_REUSE)
            waits[cause] = waits.get(cause, 0.0) + float(lengths[number])
    return waits
