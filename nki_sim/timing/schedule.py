"""The clock: runs a Plan through in-order engines, the DMA pool and the semaphores between them.

Each engine takes its instructions in program order; an instruction starts when its engine is free and everything it
waits for has been signalled. Inside an instruction the machine is deterministic, so a price is charged; only what is
shared (the DMA pool) or has a memory (the Tensor Engine's clock) is simulated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nki_sim.timing.clock import ClockGate
from nki_sim.timing.costs import Work
from nki_sim.timing.lanes import (
    BRANCH_STALL,
    COMPUTE,
    DMA_LOAD,
    ENGINES,
    GPSIMD,
    NO_STALL,
    PORT_STALL,
    QUEUE_STALL,
    REGISTER,
    REUSE_STALL,
    TABLE_LOAD,
    TABLE_STALL,
    TENSOR,
    TRANSFER,
    TRIGGER,
    WEIGHT_STALL,
    WHOLE_ARRAY,
)
from nki_sim.timing.plan import BACK, Plan, Predecessors
from nki_sim.timing.ports import Ports, shared
from nki_sim.timing.queues import DmaQueues, Passage
from nki_sim.timing.timeline import ROW, TRANSFER_ROW, Rows, Timeline
from nki_sim.timing.transfers import Transfer

_NAN = float("nan")
_ROW_FIELDS = len(ROW.names or ())


def _structured(fields: list[float], layout: np.dtype[Any]) -> Rows:
    """Values given field by field, row by row, as a structured array."""
    names = layout.names or ()
    table = np.array(fields, np.float64).reshape(-1, len(names))
    rows = np.empty(len(table), layout)
    for column, name in enumerate(names):
        rows[name] = table[:, column]
    return rows


class Scheduler:
    """One run. `run` walks the plan; the other methods are its steps, one per kind of instruction."""

    def __init__(self, plan: Plan, *, hoisting: bool = False) -> None:
        target = plan.target
        self.plan = plan
        self.free = [0.0] * ENGINES
        self.branched = [False] * ENGINES
        self.gate = ClockGate(target)
        self.ends: list[float] = []
        self.lanes: list[int] = []
        engine, tensor = target["semaphore.engine_ns"], target["semaphore.to_tensor_ns"]
        self.wake_ns = [engine] * ENGINES
        self.wake_ns[TENSOR] = tensor
        self.trigger_wake_ns = target["semaphore.to_trigger_ns"]
        self.dma_wake_ns = target["semaphore.dma_wake_ns"]
        self.extra_wait_ns = target["semaphore.wait_ns"]
        self.branch_ns = target["sync.branch_ns"]
        self.table_ns = target["scalar.table_load_ns"]
        self.table = 0
        self.queues = DmaQueues(target)
        self.hoisting = hoisting
        distinct = {id(work): work for work in plan.works if work is not None}
        self.ports = Ports(engine) if shared(distinct.values()) else None
        # When an engine's sequencer can dispatch its next instruction; the engine itself may still be at work.
        self.issued = [0.0] * ENGINES
        # When all that an engine was given so far is complete: signals are sent in order.
        self.complete = [0.0] * ENGINES

        self.issue_ns = target["tensor.issue_cycles"] / target["tensor.stream_ghz"]
        self.mm_drain_ns = target["tensor.drain_ns"]
        self.mm_drain_cycles = target["tensor.drain_cycles"]
        self.load_gap_ns = target["tensor.load_issue_ns"] + self.issue_ns
        self.last_stream_ns = -1e9
        self.tile_issue_cycles = target["tensor.tile_issue_cycles"]
        # When each cell of the array is free, while parts of it are used alone.
        self.cells: list[float] | None = None
        # Fields of ROW and TRANSFER_ROW, one after another: far cheaper than an object per row.
        self.fields: list[float] = []
        self.transfers: list[float] = []

    def run(self) -> Timeline:
        plan = self.plan
        ends, lanes = self.ends, self.lanes
        cause = (NO_STALL, -1)
        for index, (number, work, waits) in enumerate(zip(plan.instances, plan.works, plan.waits, strict=True)):
            if work is None:
                assert number == BACK
                self._back()
                ends.append(0.0)
                lanes.append(0)
                continue
            kind = work.kind
            lane = work.lane
            transfer = work.transfer
            if waits:
                wake = self.trigger_wake_ns if transfer is not None else self.wake_ns[lane]
                ready, cause = self._ready(waits, wake)
            else:
                ready = 0.0
            if kind == COMPUTE:
                end = self._compute(work, ready, cause, number, index)
            elif transfer is not None:
                end = self._transfer(work, ready, cause, number, index)
            elif kind == REGISTER:
                end = self._dispatch(work, ready, cause, number, index)
            else:
                end = self._matmul(work, ready, cause, number, index)
            ends.append(end)
            lanes.append(lane)
        return self._timeline()

    def _ready(self, waits: Predecessors, wake: float) -> tuple[float, tuple[int, int]]:
        """When the last signal arrives, and (stall, instruction) that it comes from."""
        ends, lanes, dma = self.ends, self.lanes, self.dma_wake_ns
        if len(waits) == 1:
            last = waits[0]
            producer = last >> 1
            ready = ends[producer] + (dma if lanes[producer] >= DMA_LOAD else wake)
        else:
            ready, last = -1.0, 0
            for code in waits:
                producer = code >> 1
                at = ends[producer] + (dma if lanes[producer] >= DMA_LOAD else wake)
                if at > ready:
                    ready, last = at, code
            producer = last >> 1
            # One instruction waits for one semaphore; each further one needs an instruction of its own before it.
            ready += self.extra_wait_ns
        return ready, (REUSE_STALL if last & 1 else 1 + lanes[producer], self.plan.instances[producer])

    def _compute(self, work: Work, ready: float, cause: tuple[int, int], number: int, index: int) -> float:
        lane = work.lane
        free = self.free[lane]
        issued = self.issued[lane]
        if issued > free:
            free = issued
        loaded = False
        if work.table and work.table != self.table:
            # The load needs no data, so it does not wait for the instruction's operands.
            self.table = work.table
            loaded_at = free + self.table_ns
            self.fields += (lane, TABLE_LOAD, free, loaded_at, loaded_at, number, index, NO_STALL, 0.0, -1, _NAN)
            free = loaded_at
            loaded = True
        start, stall, waited = (ready, cause[0], cause[1]) if ready > free else (free, NO_STALL, -1)
        if not stall and loaded:
            stall = TABLE_STALL
        interval = work.interval_ns
        if work.ports and self.ports is not None:
            placed, interval = self.ports.place(work, start)
            if placed > start:
                start, stall, waited = placed, PORT_STALL, -1
        issue_end = start + interval
        end = issue_end + work.drain_ns
        self.free[lane] = issue_end
        self.issued[lane] = start
        self.complete[lane] = end
        if lane == GPSIMD:
            self.queues.gpsimd_ns = issue_end
        if not stall and self.branched[lane]:
            stall = BRANCH_STALL
        self.branched[lane] = False
        self.fields += (lane, work.kind, start, issue_end, end, number, index, stall, start - free, waited, _NAN)
        return end

    def _dispatch(self, work: Work, ready: float, cause: tuple[int, int], number: int, index: int) -> float:
        """A register or branch instruction: the sequencer's own, beside what the engine computes."""
        lane = work.lane
        free = self.issued[lane]
        start, stall, waited = (ready, cause[0], cause[1]) if ready > free else (free, NO_STALL, -1)
        end = self.issued[lane] = start + work.interval_ns
        self.fields += (lane, work.kind, start, end, end, number, index, stall, start - free, waited, _NAN)
        return max(end, self.complete[lane])

    def _transfer(self, work: Work, ready: float, cause: tuple[int, int], number: int, index: int) -> float:
        transfer = work.transfer
        assert transfer is not None
        lane = transfer.trigger
        if self.hoisting and transfer.read_bytes and not transfer.write_bytes:
            return self._hoisted(work, transfer, ready, cause, number, index)
        occupies = self.queues.occupies(transfer)
        free = self.free[lane] if occupies else self.issued[lane]
        passed = self.queues.trigger(transfer, free, ready, not self.fields)
        start, trigger_end, sequencer_free, queued = passed[:4]
        stall, waited = NO_STALL, -1
        if ready > free:
            stall, waited = cause
        elif queued:
            stall = QUEUE_STALL
        self.issued[lane] = sequencer_free
        if occupies:
            self.free[lane] = sequencer_free
        self.fields += (
            lane, TRIGGER, start, sequencer_free, trigger_end, number, index, stall, start - free, waited, _NAN,
        )  # fmt: skip
        return self._packets(work, transfer, passed, number, index)

    def _hoisted(
        self, work: Work, transfer: Transfer, ready: float, cause: tuple[int, int], number: int, index: int
    ) -> float:
        """A load that does not wait for what stands before it on its engine, only for its data and its buffer."""
        passed = self.queues.hoist(transfer, ready, not self.fields)
        stall, waited = cause if ready > 0.0 and passed.start_ns == ready else (NO_STALL, -1)
        self.fields += (
            transfer.trigger, TRIGGER, passed.start_ns, passed.start_ns, passed.trigger_end_ns, number, index, stall,
            0.0, waited, _NAN,
        )  # fmt: skip
        return self._packets(work, transfer, passed, number, index)

    def _packets(self, work: Work, transfer: Transfer, passed: Passage, number: int, index: int) -> float:
        """The rows of a transfer's packets; returns its completion."""
        self.transfers += (
            len(self.fields) // _ROW_FIELDS,
            transfer.engines,
            transfer.descriptors,
            transfer.run_bytes,
            transfer.moved_bytes,
            transfer.read_bytes,
            transfer.write_bytes,
            transfer.pool_ns,
        )
        first, begin, done, end = passed[4:]
        stall = QUEUE_STALL if begin > first else NO_STALL
        self.fields += (
            work.lane, TRANSFER, begin, done, end, number, index, stall, begin - first, -1, _NAN,
        )  # fmt: skip
        return end

    def _matmul(self, work: Work, ready: float, cause: tuple[int, int], number: int, index: int) -> float:
        gate = self.gate
        free = self.free[TENSOR]
        whole = work.cells == WHOLE_ARRAY
        if not whole:
            free = self._free_of_cells(work.cells)
        elif self.cells is not None:
            self.cells = None
        issued = self.issued[TENSOR]
        last = self.last_stream_ns
        end = 0.0
        for _ in range(work.passes):
            # At half clock the issue terms are hidden.
            load = last + self.load_gap_ns if gate.warm else last
            if issued > load:
                load = issued
            waiting = ready > load
            if waiting:
                load = ready
            if load >= gate.end_ns or free >= gate.end_ns:
                gate.reach(load if load > free else free)
            start = load + work.load_cycles / gate.ghz
            if load > free:
                # The first work after a gap runs ahead of a slow clock.
                start = max(load, start - gate.credit_ns)
            why, blamed = NO_STALL, -1
            if start > free:
                why, blamed = cause if waiting and ready > free else (WEIGHT_STALL, -1)
            else:
                start = free
            streamed = gate.stream(start, work.cycles)
            issue_end = streamed + self.issue_ns if gate.warm else streamed
            end = streamed + self.mm_drain_ns + self.mm_drain_cycles / gate.ghz
            if end < issue_end:
                end = issue_end
            self.fields += (
                TENSOR, work.kind, start, issue_end, end, number, index, why, start - free, blamed, load,
            )  # fmt: skip
            free, last, ready = issue_end, start, -1.0
        if not whole:
            free = self._take_cells(work.cells, free)
            end = max(end, self.complete[TENSOR])
        self.complete[TENSOR] = end
        self.free[TENSOR] = free
        self.issued[TENSOR] = self.last_stream_ns = last
        return end

    def _free_of_cells(self, cells: int) -> float:
        """When a tile of the array is free: other cells may still stream, but dispatch takes its time."""
        if self.cells is None:
            self.cells = [self.free[TENSOR]] * 16
        free = max(time for bit, time in enumerate(self.cells) if cells >> bit & 1)
        return max(free, self.last_stream_ns + self.tile_issue_cycles / self.gate.ghz)

    def _take_cells(self, cells: int, until: float) -> float:
        """Occupy a tile; returns when the whole array is free."""
        assert self.cells is not None
        self.cells = [until if cells >> bit & 1 else time for bit, time in enumerate(self.cells)]
        return max(self.cells)

    def _back(self) -> None:
        for lane in range(ENGINES):
            self.free[lane] += self.branch_ns
            self.issued[lane] = self.free[lane]
            self.branched[lane] = True

    def _timeline(self) -> Timeline:
        plan = self.plan
        rows = _structured(self.fields, ROW)
        transfers = _structured(self.transfers, TRANSFER_ROW)
        works: list[Work | None] = [None] * len(plan.instructions)
        counts = np.zeros(len(plan.instructions), np.int64)
        for number, work in zip(plan.instances, plan.works, strict=True):
            if number >= 0:
                works[number] = work
                counts[number] += 1
        launch = plan.target["launch.preamble_ns"] + plan.target["launch.postamble_ns"]
        return Timeline(
            program=plan.program,
            target=plan.target,
            total_ns=float(rows["end_ns"].max()) if len(rows) else 0.0,
            launch_ns=launch,
            rows=rows,
            transfers=transfers,
            instructions=plan.instructions,
            works=works,
            counts=counts,
            slow_clock_ns=self.gate.slow_ns,
            dma_busy_ns=self.queues.pool.busy_ns,
            waits=plan.waits,
        )
