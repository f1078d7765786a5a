"""Stalls: where an engine stood still, for how long, and what it waited for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nki_sim.profiler.lines import lines_of
from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import LANES, STALLS, SYNC, TRIGGER
from nki_sim.timing.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Waits of one engine at one line for one cause, added up.

    engine, cause    names; cause is one of STALLS
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

    @property
    def reason(self) -> str:
        """Why, in words."""
        what = {
            "buffer reuse": f"until {self.cause_op or 'an earlier instruction'} no longer needs the buffer",
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
            )
        )
    return found
