"""Timeline: when every instruction of a run started and ended, and what it waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.program.ir import Instruction, Program
from nki_sim.program.spans import SourceSpan
from nki_sim.targets import Target
from nki_sim.timing.costs import Work
from nki_sim.timing.lanes import LANES, STALLS

ROW = np.dtype(
    [
        ("lane", np.uint8),
        ("kind", np.uint8),
        ("start_ns", np.float64),
        ("issue_end_ns", np.float64),
        ("end_ns", np.float64),
        ("instruction", np.int32),
        ("instance", np.int32),
        ("stall", np.uint8),
        ("stall_ns", np.float64),
        ("cause", np.int32),
        ("load_start_ns", np.float64),
    ]
)
"""One machine instruction or transfer.

lane           index into LANES; the engine, or the direction of a transfer
kind           index into KINDS
start_ns       starts; issue_end_ns: the lane can take the next one; end_ns: its results can be seen
instruction    index in Program.instructions(), -1 for none; instance: which execution of the run
stall          index into STALLS: why the lane was idle for the stall_ns before start_ns
cause          instruction waited for, -1 for none
load_start_ns  when the weight load of a matmul started, NaN for others
"""

TRANSFER_ROW = np.dtype(
    [
        ("row", np.int32),
        ("engines", np.int16),
        ("descriptors", np.int32),
        ("run_bytes", np.int32),
        ("moved_bytes", np.int64),
        ("read_bytes", np.int64),
        ("write_bytes", np.int64),
        ("pool_ns", np.float64),
    ]
)
"""One DMA transfer: `row` in Timeline.rows, DMA engines used, descriptors, bytes, its share of all engines' time."""

Rows = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Timeline:
    """What `simulate` gives back.

    total_ns        end of the kernel body; launch_ns, reported apart, comes on top of it
    rows            structured array ROW, in order of issue
    transfers       structured array TRANSFER_ROW
    works           price of each static instruction, by instruction index (None: never ran)
    counts          executions of each static instruction
    slow_clock_ns   Tensor Engine time lost because its clock was not warm
    dma_busy_ns     time of the DMA engines together, as if all worked at once
    waits           for each instance, what it waited for as 2 * instance, + 1 when it only needed the place
    """

    program: Program
    target: Target
    total_ns: float
    launch_ns: float
    rows: Rows
    transfers: Rows
    instructions: Sequence[Instruction]
    works: Sequence[Work | None]
    counts: npt.NDArray[np.int64]
    slow_clock_ns: float
    dma_busy_ns: float
    waits: Sequence[tuple[int, ...]] = ()

    @property
    def lanes(self) -> tuple[str, ...]:
        return LANES

    @property
    def stalls(self) -> tuple[str, ...]:
        return STALLS

    def lane(self, name: str) -> Rows:
        """The rows of one lane."""
        selected: Rows = self.rows[self.rows["lane"] == LANES.index(name)]
        return selected

    def spans(self, instruction: int) -> tuple[SourceSpan, ...]:
        """The source chain of an instruction, innermost first."""
        return () if instruction < 0 else self.program.spans(self.instructions[instruction].site)


def busy_ns(rows: Rows, until: str = "issue_end_ns") -> float:
    """Length of the union of the rows' intervals [start_ns, `until`)."""
    if not len(rows):
        return 0.0
    order = np.argsort(rows["start_ns"], kind="stable")
    start, end = rows["start_ns"][order], np.maximum.accumulate(rows[until][order])
    gaps = np.maximum(start[1:] - end[:-1], 0.0).sum()
    return float(end[-1] - start[0] - gaps)


def machine_rows(timeline: Timeline) -> Rows:
    """The rows, and each weight load of the Tensor Engine as a row of its own, of its matmul's kind."""
    rows = timeline.rows
    loads = rows[~np.isnan(rows["load_start_ns"])].copy()
    target = timeline.target
    clock = target["tensor.stream_ghz"]
    drain = target["tensor.load_drain_ns"] + target["tensor.load_drain_cycles"] / clock
    cycles = np.array([0.0 if w is None else w.load_cycles for w in timeline.works])
    loads["end_ns"] = loads["load_start_ns"] + drain + cycles[loads["instruction"]] / clock
    loads["issue_end_ns"] = loads["end_ns"]
    loads["start_ns"] = loads["load_start_ns"]
    merged: Rows = np.concatenate([rows, loads])
    return merged[np.argsort(merged["start_ns"], kind="stable")]
