"""Time by source line: what the instructions a line issued took of the engines, waited, and moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nki_sim.program.spans import SourceSpan
from nki_sim.timing.lanes import LANES, SYNC, TRIGGER
from nki_sim.timing.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUse:
    """One source line: executions, engine time by lane, time its instructions waited, bytes moved by DMA."""

    span: SourceSpan | None
    instructions: int
    busy_ns: Mapping[str, float]
    stall_ns: float
    moved_bytes: int

    @property
    def longest_ns(self) -> float:
        """Busy time on the lane that it kept busy longest."""
        return max(self.busy_ns.values(), default=0.0)


def lines_of(timeline: Timeline) -> tuple[npt.NDArray[np.int64], list[SourceSpan | None]]:
    """The number of each instruction's source line, and a span for each line."""
    numbers: dict[tuple[str, int], int] = {}
    spans: list[SourceSpan | None] = []
    of_site: dict[int, int] = {}
    found = np.empty(len(timeline.instructions), np.int64)
    for index, instruction in enumerate(timeline.instructions):
        line = of_site.get(instruction.site)
        if line is None:
            span = next(iter(timeline.program.spans(instruction.site)), None)
            line = numbers.setdefault(("", 0) if span is None else (span.file, span.line), len(numbers))
            if line == len(spans):
                spans.append(span)
            of_site[instruction.site] = line
        found[index] = line
    return found, spans


def by_line(timeline: Timeline) -> list[LineUse]:
    """Lines by their busiest lane, most first. The busy time of transfers is their share of the DMA engines."""
    rows = timeline.rows
    if not len(rows):
        return []
    line_of, spans = lines_of(timeline)
    busy = rows["issue_end_ns"] - rows["start_ns"]
    transfers = timeline.transfers
    busy[transfers["row"]] = transfers["pool_ns"]
    of_row = line_of[rows["instruction"]]
    table = np.zeros((len(spans), len(LANES)))
    np.add.at(table, (of_row, rows["lane"]), busy)
    waits = (rows["lane"] < SYNC) & (rows["kind"] != TRIGGER)
    stalls = np.bincount(of_row[waits], rows["stall_ns"][waits], minlength=len(spans))
    moved = np.bincount(of_row[transfers["row"]], transfers["moved_bytes"], minlength=len(spans))
    executed = np.bincount(line_of, timeline.counts, minlength=len(spans))
    found = [
        LineUse(
            span=span,
            instructions=int(executed[number]),
            busy_ns={name: float(value) for name, value in zip(LANES, table[number], strict=True) if value},
            stall_ns=float(stalls[number]),
            moved_bytes=int(moved[number]),
        )
        for number, span in enumerate(spans)
        if executed[number]
    ]
    return sorted(found, key=lambda one: -one.longest_ns)
