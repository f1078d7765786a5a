"""Scheduler: a Plan in, a Timeline out. What happens in between is in timing/running.py, run as Python or compiled."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from nki_sim.timing.charges import Queues, charge_of, rows_of
from nki_sim.timing.clock import clock_gate
from nki_sim.timing.compiled import code, meter
from nki_sim.timing.costs import Work
from nki_sim.timing.lanes import DMA_LOAD, ENGINES, TENSOR
from nki_sim.timing.plan import Plan
from nki_sim.timing.pool import DmaPool
from nki_sim.timing.ports import Ports, shared
from nki_sim.timing.queues import DmaQueues, Request
from nki_sim.timing.running import Rows, Run, Stream
from nki_sim.timing.timeline import ROW, TRANSFER_ROW, Timeline
from nki_sim.timing.timeline import Rows as Table

_FIELDS_OF_TRANSFERS = (
    "engines", "descriptors", "run_bytes", "moved_bytes", "read_bytes", "write_bytes", "pool_ns",
)  # fmt: skip


class Scheduler:
    """One run of a plan. `compiled`: how, None: as is worth it."""

    def __init__(self, plan: Plan, *, hoisting: bool = False, compiled: bool | None = None) -> None:
        self.plan = plan
        self.compiled = meter().is_over(len(plan.instances)) if compiled is None else compiled
        # The distinct works, and of each instance the number of its own; -1 for a loop's back edge.
        numbers: dict[int, int] = {}
        self.works: list[Work] = []
        self.kinds: list[int] = []
        for work in plan.works:
            if work is None:
                self.kinds.append(-1)
                continue
            number = numbers.get(id(work))
            if number is None:
                number = numbers[id(work)] = len(self.works)
                self.works.append(work)
            self.kinds.append(number)
        self.hoisting = hoisting

    def run(self) -> Timeline:
        run = self._run()
        if self.compiled:
            from nki_sim.timing.native.link import Memory

            memory = Memory()
            code().entries["Run.go"](memory.context, memory.put(run))
            for part in (run, run.rows, run.gate, run.queues.pool):
                memory.fetch(part)
        else:
            run.go()
        return self._timeline(run)

    def _integers(self, values: list[int]) -> Any:
        return np.array(values, np.int64) if self.compiled else values

    def _zeros(self, count: int) -> Any:
        return np.zeros(count, np.int64) if self.compiled else [0] * count

    def _filled(self, count: int, value: float) -> Any:
        """A list of `count` times the value."""
        return np.full(count, value) if self.compiled else [value] * count

    def _run(self) -> Run:
        """Everything before the first instruction."""
        plan, target = self.plan, self.plan.target
        engine, issue_ns = target["semaphore.engine_ns"], target["tensor.issue_cycles"] / target["tensor.stream_ghz"]
        queues: Queues = {}
        ring_bytes = target["dma.hwdge_queue_bytes"]
        most_of = [*(rows_of(work) for work in self.works), rows_of(None)]
        most = sum([most_of[kind] for kind in self.kinds])
        return Run(
            charges=[charge_of(work, queues, ring_bytes) for work in self.works],
            works=self._integers(self.kinds),
            numbers=self._integers(plan.instances),
            waits=self._integers([code for codes in plan.waits for code in codes]),
            wait_starts=self._integers([0, *accumulate(map(len, plan.waits))]),
            ends=self._filled(len(self.kinds), -1.0),
            streams=self._streams(engine, target["semaphore.to_tensor_ns"]),
            runnable=self._zeros(ENGINES + 1),
            rows=Rows(
                lane=self._zeros(most),
                kind=self._zeros(most),
                instance=self._zeros(most),
                stall=self._zeros(most),
                cause=self._zeros(most),
                start_ns=self._filled(most, 0.0),
                issue_end_ns=self._filled(most, 0.0),
                end_ns=self._filled(most, 0.0),
                stall_ns=self._filled(most, 0.0),
                load_start_ns=self._filled(most, float("nan")),
            ),
            transfer_rows=self._zeros(most),
            gate=clock_gate(target),
            queues=DmaQueues(
                DmaPool(),
                target["dma.hwdge_dispatch_ns"],
                target["dma.restart_ns"],
                target["dma.restart_lead_ns"],
                target["launch.gpsimd_ns"],
            ),
            ports=Ports(engine) if shared(self.works) else None,
            cells=self._filled(16, 0.0),
            trigger_wake_ns=target["semaphore.to_trigger_ns"],
            dma_wake_ns=target["semaphore.dma_wake_ns"],
            extra_wait_ns=target["semaphore.wait_ns"],
            branch_ns=target["sync.branch_ns"],
            table_ns=target["scalar.table_load_ns"],
            issue_ns=issue_ns,
            drain_ns=target["tensor.drain_ns"],
            drain_cycles=target["tensor.drain_cycles"],
            load_gap_ns=target["tensor.load_issue_ns"] + issue_ns,
            tile_issue_cycles=target["tensor.tile_issue_cycles"],
        )

    def _streams(self, engine_wake_ns: float, tensor_wake_ns: float) -> list[Stream]:
        """The instances each engine takes in order; last, the loads that wait for no engine."""
        own = [
            work.lane
            if work.transfer is None
            else ENGINES
            if self.hoisting and work.lane == DMA_LOAD
            else work.transfer.trigger
            for work in self.works
        ]
        indices: list[list[int]] = [[] for _ in range(ENGINES + 1)]
        for index, kind in enumerate(self.kinds):
            if kind >= 0:
                indices[own[kind]].append(index)
            else:
                for stream in indices[:ENGINES]:
                    stream.append(index)
        return [
            Stream(lane, self._integers(one), len(one), tensor_wake_ns if lane == TENSOR else engine_wake_ns, Request())
            for lane, one in enumerate(indices)
        ]

    def _timeline(self, run: Run) -> Timeline:
        plan = self.plan
        rows = self._rows(run)
        counts = np.bincount([number for number in plan.instances if number >= 0], minlength=len(plan.instructions))
        works: list[Work | None] = [None] * len(plan.instructions)
        for number, work in zip(plan.instances, plan.works, strict=True):
            if number >= 0:
                works[number] = work
        return Timeline(
            program=plan.program,
            target=plan.target,
            total_ns=float(rows["end_ns"].max()) if len(rows) else 0.0,
            launch_ns=plan.target["launch.preamble_ns"] + plan.target["launch.postamble_ns"],
            rows=rows,
            transfers=self._transfers(run, rows),
            instructions=plan.instructions,
            works=works,
            counts=counts.astype(np.int64),
            slow_clock_ns=run.gate.slow_ns,
            dma_busy_ns=run.queues.pool.busy_ns,
            waits=plan.waits,
        )

    def _rows(self, run: Run) -> Table:
        """The rows in program order; they were written as instructions were followed."""
        columns, count = run.rows, run.rows.count
        instances = np.array(columns.instance[:count], np.int64)
        self.order = np.argsort(instances, kind="stable")
        rows = np.empty(count, ROW)
        for name in ROW.names or ():
            if name != "instruction":
                rows[name] = np.asarray(getattr(columns, name)[:count])[self.order]
        rows["instruction"] = np.array(self.plan.instances, np.int64)[rows["instance"]]
        return rows

    def _transfers(self, run: Run, rows: Table) -> Table:
        places = np.empty(len(rows), np.int64)
        places[self.order] = np.arange(len(rows))
        found = np.sort(places[np.array(run.transfer_rows[: run.transfers], np.int64)])
        table = np.empty(len(found), TRANSFER_ROW)
        table["row"] = found
        kinds = np.array(self.kinds, np.int64)[rows["instance"][found]]
        for name in _FIELDS_OF_TRANSFERS:
            values = [0 if work.transfer is None else getattr(work.transfer, name) for work in self.works]
            table[name] = np.array(values)[kinds] if values else 0
        return table
