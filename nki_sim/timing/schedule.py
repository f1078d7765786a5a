"""The clock: runs a Plan through in-order engines, the DMA pool and the semaphores between them.

Each engine takes its instructions in program order; an instruction starts when its engine is free and everything it
waits for has been signalled. Inside an instruction the machine is deterministic, so a price is charged; only what is
shared (the DMA pool, ports) or has a memory (the Tensor Engine's clock) is simulated.

An engine's instructions are followed until one waits for an instruction that has not been followed yet, or asks for
what is shared. What is shared goes to whoever asks first in simulated time: when every engine waits, the earliest
request is served, for whatever the others ask for later comes after it.
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
from nki_sim.timing.plan import Plan
from nki_sim.timing.ports import Ports, shared
from nki_sim.timing.queues import DmaQueues, Request
from nki_sim.timing.timeline import ROW, TRANSFER_ROW, Rows, Timeline
from nki_sim.timing.transfers import Transfer

_NAN = float("nan")
_NO_CAUSE = (NO_STALL, -1)
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
        # When each instance's results can be seen; negative: not followed yet.
        self.ends = [-1.0] * len(plan.instances)
        self.streams = self._streams(hoisting)
        self.position = [0] * len(self.streams)
        # Streams by the instance they wait for, and what the others ask for.
        self.blocked: dict[int, list[int]] = {}
        self.requests: list[Request] = []
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

    def _streams(self, hoisting: bool) -> list[list[int]]:
        """The instances each engine takes in order; last, the loads that wait for no engine."""
        streams: list[list[int]] = [[] for _ in range(ENGINES + 1)]
        for index, work in enumerate(self.plan.works):
            if work is None:
                for stream in streams[:ENGINES]:
                    stream.append(index)
            elif work.transfer is None:
                streams[work.lane].append(index)
            else:
                streams[ENGINES if hoisting and work.lane == DMA_LOAD else work.transfer.trigger].append(index)
        return streams

    def run(self) -> Timeline:
        runnable = [stream for stream, indices in enumerate(self.streams) if indices]
        requests = self.requests
        while True:
            while runnable:
                self._follow(runnable.pop(), runnable, None)
            if not requests:
                return self._timeline()
            request = min(requests)
            requests.remove(request)
            self._follow(request.stream, runnable, request)

    def _follow(self, stream: int, runnable: list[int], request: Request | None) -> None:
        """Follow a stream until it has to wait; streams that waited for what it does become runnable.

        `request`: what it asked for, if it is served now.
        """
        plan, ends, blocked, requests = self.plan, self.ends, self.blocked, self.requests
        works, waits, instances, dma_wake = plan.works, plan.waits, plan.instances, self.dma_wake_ns
        indices = self.streams[stream]
        size = len(indices)
        at = self.position[stream]
        while at < size:
            index = indices[at]
            work = works[index]
            if work is None:
                self._branch(stream)
                at += 1
                continue
            transfer = work.transfer
            ready, cause = 0.0, _NO_CAUSE
            needed = waits[index]
            if needed:
                ready, last = -1.0, 0
                wake = self.trigger_wake_ns if transfer is not None else self.wake_ns[work.lane]
                for code in needed:
                    producer = code >> 1
                    end = ends[producer]
                    if end < 0.0:
                        blocked.setdefault(producer, []).append(stream)
                        self.position[stream] = at
                        return
                    signalled = end + (dma_wake if works[producer].lane >= DMA_LOAD else wake)  # type: ignore[union-attr]
                    if signalled > ready:
                        ready, last = signalled, code
                if len(needed) > 1:
                    # One instruction waits for one semaphore; each further one needs an instruction before it.
                    ready += self.extra_wait_ns
                producer = last >> 1
                lane = works[producer].lane  # type: ignore[union-attr]
                cause = (REUSE_STALL if last & 1 else 1 + lane, instances[producer])
            number = instances[index]
            shares = transfer is not None or (work.ports and self.ports is not None)
            if shares and request is None:
                request = self._request(work, stream, ready, index)
                if runnable or (requests and min(requests) < request):
                    requests.append(request)
                    self.position[stream] = at
                    return
            if transfer is not None:
                assert request is not None
                end = self._transfer(work, transfer, request, ready, cause, number, index)
            elif work.kind == COMPUTE:
                end = self._compute(work, ready, cause, number, index)
            elif work.kind == REGISTER:
                end = self._dispatch(work, ready, cause, number, index)
            else:
                end = self._matmul(work, ready, cause, number, index)
            if shares:
                request = None
            ends[index] = end
            if index in blocked:
                runnable += blocked.pop(index)
            at += 1
        self.position[stream] = at

    def _request(self, work: Work, stream: int, ready: float, index: int) -> Request:
        """When an instruction asks for what it shares: the DMA engines, or a port."""
        transfer = work.transfer
        if transfer is None:
            return Request(max(ready, self.free[stream], self.issued[stream]), index, stream)
        if stream == ENGINES:
            return self.queues.request_hoisted(transfer, index, stream, ready)
        free = self.free[stream] if self.queues.occupies(transfer) else self.issued[stream]
        return self.queues.request(transfer, index, free, ready)

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

    def _transfer(
        self,
        work: Work,
        transfer: Transfer,
        request: Request,
        ready: float,
        cause: tuple[int, int],
        number: int,
        index: int,
    ) -> float:
        """The rows of a transfer that is served: its trigger and its packets; returns its completion."""
        lane = transfer.trigger
        start = request.start_ns
        stall, waited = NO_STALL, -1
        if request.stream == ENGINES:
            # A hoisted load waits for nothing that stands before it, only for its data and its buffer.
            trigger_end, free, begin, done, end = self.queues.pass_hoisted(transfer, request)
            if ready > 0.0 and start == ready:
                stall, waited = cause
            self.fields += (lane, TRIGGER, start, start, trigger_end, number, index, stall, 0.0, waited, _NAN)
        else:
            occupies = self.queues.occupies(transfer)
            was_free = self.free[lane] if occupies else self.issued[lane]
            trigger_end, free, begin, done, end = self.queues.pass_on(transfer, request)
            if ready > was_free:
                stall, waited = cause
            elif request.queued:
                stall = QUEUE_STALL
            self.issued[lane] = free
            if occupies:
                self.free[lane] = free
            self.fields += (
                lane, TRIGGER, start, free, trigger_end, number, index, stall, start - was_free, waited, _NAN,
            )  # fmt: skip
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
        first = start + transfer.first_ns
        stall = QUEUE_STALL if begin > first else NO_STALL
        self.fields += (work.lane, TRANSFER, begin, done, end, number, index, stall, begin - first, -1, _NAN)
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

    def _branch(self, stream: int) -> None:
        """A loop's back edge, which every engine takes for itself."""
        self.free[stream] += self.branch_ns
        self.issued[stream] = self.free[stream]
        self.branched[stream] = True

    def _timeline(self) -> Timeline:
        plan = self.plan
        rows = _structured(self.fields, ROW)
        transfers = _structured(self.transfers, TRANSFER_ROW)
        # Rows were written as instructions were followed; a reader expects them in program order.
        order = np.argsort(rows["instance"], kind="stable")
        rows = rows[order]
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        transfers["row"] = places[transfers["row"]]
        transfers = transfers[np.argsort(transfers["row"], kind="stable")]
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
