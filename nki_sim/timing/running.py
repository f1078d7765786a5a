"""Running: the clock itself.

Each engine takes its instructions in program order; an instruction starts when its engine is free and everything it
waits for has been signalled. Inside an instruction the machine is deterministic, so a price is charged; only what is
shared (the DMA pool, ports) or has a memory (the Tensor Engine's clock) is simulated.

An engine's instructions are followed until one waits for an instruction that has not been followed yet, or asks for
what is shared. What is shared goes to whoever asks first in simulated time: when every engine waits, the earliest
request is served, for whatever the others ask for later comes after it. The part of Python that timing/native compiles.
"""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.timing.charges import Charge, Queue
from nki_sim.timing.clock import ClockGate
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
from nki_sim.timing.ports import Ports
from nki_sim.timing.queues import DmaQueues, Request


@dataclass(slots=True, eq=False, repr=False)
class Stream:
    """The instances an engine takes in order; after the engines' streams comes that of the loads which wait for none.

    position      the next of its `count` instances
    free_ns       the engine is free; issued_ns: its sequencer can dispatch the next, the engine may still be at work
    complete_ns   all that it was given so far is complete: signals are sent in order
    wake_ns       from a signal to the start of what waited for it
    branched      nothing has started since a loop's back edge
    needs         the instance it waits for, -1: none
    asks          whether `request` is open; index: whose
    """

    lane: int
    indices: list[int]
    count: int
    wake_ns: float
    request: Request
    position: int = 0
    free_ns: float = 0.0
    issued_ns: float = 0.0
    complete_ns: float = 0.0
    branched: bool = False
    needs: int = -1
    asks: bool = False
    index: int = 0


@dataclass(slots=True, eq=False, repr=False)
class Rows:
    """The columns of timeline.ROW, of which `count` rows are filled; load_start_ns only where there is one."""

    lane: list[int]
    kind: list[int]
    instance: list[int]
    stall: list[int]
    cause: list[int]
    start_ns: list[float]
    issue_end_ns: list[float]
    end_ns: list[float]
    stall_ns: list[float]
    load_start_ns: list[float]
    count: int = 0

    def put(
        self, lane: int, kind: int, instance: int, start_ns: float, issue_end_ns: float, end_ns: float, free_ns: float
    ) -> None:
        """A row of a lane that was free at `free_ns`, without a stall."""
        at = self.count
        self.lane[at] = lane
        self.kind[at] = kind
        self.instance[at] = instance
        self.start_ns[at] = start_ns
        self.issue_end_ns[at] = issue_end_ns
        self.end_ns[at] = end_ns
        self.stall[at] = NO_STALL
        self.stall_ns[at] = start_ns - free_ns
        self.cause[at] = -1
        self.count = at + 1

    def blame(self, stall: int, cause: int) -> None:
        """Say why the row put last did not start earlier."""
        self.stall[self.count - 1] = stall
        self.cause[self.count - 1] = cause


@dataclass(slots=True, eq=False, repr=False)
class Run:
    """One run.

    charges         of the works; works: of each instance, the number of its charge, -1 for a loop's back edge
    numbers         of each instance, its static instruction
    waits           what instances wait for, as 2 * instance, + 1 for its place; the ones of i begin at wait_starts[i]
    ends            when each instance's results can be seen; negative: not followed yet
    runnable        numbers of the streams that may go on, `open` of them; `blocked` others wait for an instance
    transfer_rows   the rows of the packets of each transfer, `transfers` of them
    table           the function table that the Scalar Engine holds
    cells           when each cell of the array is free, while parts of it are used alone
    ready_ns        the last signal of the instance at hand arrives: from `blamed`, for the reason `stall`
    """

    charges: list[Charge]
    works: list[int]
    numbers: list[int]
    waits: list[int]
    wait_starts: list[int]
    ends: list[float]
    streams: list[Stream]
    runnable: list[int]
    rows: Rows
    transfer_rows: list[int]
    gate: ClockGate
    queues: DmaQueues
    ports: Ports | None
    cells: list[float]
    trigger_wake_ns: float
    dma_wake_ns: float
    extra_wait_ns: float
    branch_ns: float
    table_ns: float
    issue_ns: float
    drain_ns: float
    drain_cycles: float
    load_gap_ns: float
    tile_issue_cycles: float
    open: int = 0
    blocked: int = 0
    transfers: int = 0
    table: int = 0
    in_cells: bool = False
    last_stream_ns: float = -1e9
    ready_ns: float = 0.0
    stall: int = 0
    blamed: int = -1

    def go(self) -> None:
        """From the first instance to the last."""
        for number in range(ENGINES + 1):
            if self.streams[number].count > 0:
                self.let_go(number)
        while True:
            while self.open > 0:
                self.open -= 1
                self.follow(self.streams[self.runnable[self.open]], False)
            first = self.first_to_ask()
            if first is None:
                return
            first.asks = False
            self.follow(first, True)

    def let_go(self, stream: int) -> None:
        self.runnable[self.open] = stream
        self.open += 1

    def first_to_ask(self) -> Stream | None:
        """Whose request is the earliest; of those who ask at once, the first in the program."""
        found: Stream | None = None
        for number in range(ENGINES + 1):
            one = self.streams[number]
            if one.asks and (found is None or self.is_before(one, found)):
                found = one
        return found

    def is_before(self, one: Stream, other: Stream) -> bool:
        first = one.request.arrival_ns
        second = other.request.arrival_ns
        return first < second or (first == second and one.index < other.index)

    def follow(self, stream: Stream, served: bool) -> None:
        """Follow a stream until it has to wait; `served`: it has been given what it asked for."""
        while stream.position < stream.count:
            index = stream.indices[stream.position]
            if self.works[index] < 0:
                self.branch(stream)
                stream.position += 1
                continue
            charge = self.charges[self.works[index]]
            if not self.is_ready(stream, charge, index):
                return
            queue = charge.queue
            shares = queue is not None or (charge.ports != 0 and self.ports is not None)
            if shares and not served:
                self.ask(stream, charge, index)
                first = self.first_to_ask()
                if self.open > 0 or (first is not None and self.is_before(first, stream)):
                    stream.asks = True
                    return
            served = False
            if queue is not None:
                end = self.transfer(stream, charge, queue, index)
            elif charge.kind == COMPUTE:
                end = self.compute(stream, charge, index)
            elif charge.kind == REGISTER:
                end = self.dispatch(stream, charge, index)
            else:
                end = self.matmul(stream, charge, index)
            self.ends[index] = end
            stream.position += 1
            if self.blocked > 0:
                self.release(index)

    def release(self, index: int) -> None:
        """Let the streams go on that waited for an instance."""
        for number in range(ENGINES + 1):
            if self.streams[number].needs == index:
                self.streams[number].needs = -1
                self.blocked -= 1
                self.let_go(number)

    def is_ready(self, stream: Stream, charge: Charge, index: int) -> bool:
        """Whether all that an instance waits for has been followed; if so, when its signals are there."""
        self.ready_ns = 0.0
        self.stall = NO_STALL
        self.blamed = -1
        first = self.wait_starts[index]
        end = self.wait_starts[index + 1]
        if first == end:
            return True
        wake = self.trigger_wake_ns if charge.queue is not None else stream.wake_ns
        ready = -1.0
        last = 0
        for at in range(first, end):
            code = self.waits[at]
            producer = code >> 1
            seen = self.ends[producer]
            if seen < 0.0:
                stream.needs = producer
                self.blocked += 1
                return False
            lane = self.charges[self.works[producer]].lane
            signalled = seen + (self.dma_wake_ns if lane >= DMA_LOAD else wake)
            if signalled > ready:
                ready = signalled
                last = code
        if end - first > 1:
            # One instruction waits for one semaphore; each further one needs an instruction before it.
            ready += self.extra_wait_ns
        producer = last >> 1
        self.ready_ns = ready
        self.stall = REUSE_STALL if last & 1 != 0 else 1 + self.charges[self.works[producer]].lane
        self.blamed = self.numbers[producer]
        return True

    def ask(self, stream: Stream, charge: Charge, index: int) -> None:
        """Ask for what an instruction shares: the DMA engines, or a port."""
        stream.index = index
        queue = charge.queue
        if queue is None:
            stream.request.arrival_ns = max(max(self.ready_ns, stream.free_ns), stream.issued_ns)
        elif stream.lane == ENGINES:
            self.queues.request_hoisted(stream.request, charge, queue, index == 0, self.ready_ns)
        else:
            free = stream.free_ns if charge.occupies else stream.issued_ns
            self.queues.request(stream.request, charge, queue, index == 0, free, self.ready_ns)

    def compute(self, stream: Stream, charge: Charge, index: int) -> float:
        free = max(stream.free_ns, stream.issued_ns)
        loaded = False
        if charge.table != 0 and charge.table != self.table:
            # The load needs no data, so it does not wait for the instruction's operands.
            self.table = charge.table
            loaded_at = free + self.table_ns
            self.rows.put(stream.lane, TABLE_LOAD, index, free, loaded_at, loaded_at, free)
            free = loaded_at
            loaded = True
        start = free
        stall = TABLE_STALL if loaded else NO_STALL
        waited = -1
        if self.ready_ns > free:
            start = self.ready_ns
            stall = self.stall
            waited = self.blamed
        interval = charge.interval_ns
        ports = self.ports
        if charge.ports != 0 and ports is not None:
            placed = ports.place(charge, start)
            interval = ports.interval_ns
            if placed > start:
                start = placed
                stall = PORT_STALL
                waited = -1
        issue_end = start + interval
        end = issue_end + charge.drain_ns
        stream.free_ns = issue_end
        stream.issued_ns = start
        stream.complete_ns = end
        if stream.lane == GPSIMD:
            self.queues.gpsimd_ns = issue_end
        if stall == NO_STALL and stream.branched:
            stall = BRANCH_STALL
        stream.branched = False
        self.rows.put(stream.lane, charge.kind, index, start, issue_end, end, free)
        self.rows.blame(stall, waited)
        return end

    def dispatch(self, stream: Stream, charge: Charge, index: int) -> float:
        """A register or branch instruction: the sequencer's own, beside what the engine computes."""
        free = stream.issued_ns
        start = max(free, self.ready_ns)
        end = start + charge.interval_ns
        stream.issued_ns = end
        self.rows.put(stream.lane, charge.kind, index, start, end, end, free)
        if self.ready_ns > free:
            self.rows.blame(self.stall, self.blamed)
        return max(end, stream.complete_ns)

    def transfer(self, stream: Stream, charge: Charge, queue: Queue, index: int) -> float:
        """The rows of a transfer that is served: its trigger and its packets; returns its completion."""
        queues = self.queues
        request = stream.request
        start = request.start_ns
        if stream.lane == ENGINES:
            # A hoisted load waits for nothing that stands before it, only for its data and its buffer.
            queues.pass_hoisted(request, charge, queue)
            self.rows.put(charge.trigger, TRIGGER, index, start, start, queues.trigger_end_ns, start)
            if self.ready_ns > 0.0 and start == self.ready_ns:
                self.rows.blame(self.stall, self.blamed)
        else:
            was_free = stream.free_ns if charge.occupies else stream.issued_ns
            queues.pass_on(request, charge, queue)
            stream.issued_ns = queues.free_ns
            if charge.occupies:
                stream.free_ns = queues.free_ns
            self.rows.put(stream.lane, TRIGGER, index, start, queues.free_ns, queues.trigger_end_ns, was_free)
            if self.ready_ns > was_free:
                self.rows.blame(self.stall, self.blamed)
            elif request.queued:
                self.rows.blame(QUEUE_STALL, -1)
        self.transfer_rows[self.transfers] = self.rows.count
        self.transfers += 1
        first = start + charge.first_ns
        begin = queue.begun_ns
        self.rows.put(charge.lane, TRANSFER, index, begin, queues.done_ns, queues.end_ns, first)
        if begin > first:
            self.rows.blame(QUEUE_STALL, -1)
        return queues.end_ns

    def matmul(self, stream: Stream, charge: Charge, index: int) -> float:
        gate = self.gate
        free = stream.free_ns
        ready = self.ready_ns
        whole = charge.cells == WHOLE_ARRAY
        if not whole:
            free = self.free_of_cells(stream, charge.cells)
        else:
            self.in_cells = False
        last = self.last_stream_ns
        end = 0.0
        for _ in range(charge.passes):
            # At half clock the issue terms are hidden.
            load = max(last + self.load_gap_ns if gate.warm else last, stream.issued_ns)
            waiting = ready > load
            if waiting:
                load = ready
            if load >= gate.end_ns or free >= gate.end_ns:
                gate.reach(max(load, free))
            start = load + charge.load_cycles / gate.ghz
            if load > free:
                # The first work after a gap runs ahead of a slow clock.
                start = max(load, start - gate.credit_ns)
            late = start > free
            if not late:
                start = free
            streamed = gate.stream(start, charge.cycles)
            issue_end = streamed + self.issue_ns if gate.warm else streamed
            end = max(streamed + self.drain_ns + self.drain_cycles / gate.ghz, issue_end)
            self.rows.put(TENSOR, charge.kind, index, start, issue_end, end, free)
            self.rows.load_start_ns[self.rows.count - 1] = load
            if late and waiting and ready > free:
                self.rows.blame(self.stall, self.blamed)
            elif late:
                self.rows.blame(WEIGHT_STALL, -1)
            free = issue_end
            last = start
            ready = -1.0
        if not whole:
            free = self.take_cells(charge.cells, free)
            end = max(end, stream.complete_ns)
        stream.complete_ns = end
        stream.free_ns = free
        stream.issued_ns = last
        self.last_stream_ns = last
        return end

    def free_of_cells(self, stream: Stream, cells: int) -> float:
        """When a tile of the array is free: other cells may still stream, but dispatch takes its time."""
        free = self.last_stream_ns + self.tile_issue_cycles / self.gate.ghz
        for cell in range(16):
            if not self.in_cells:
                self.cells[cell] = stream.free_ns
            if cells >> cell & 1 != 0:
                free = max(free, self.cells[cell])
        self.in_cells = True
        return free

    def take_cells(self, cells: int, until_ns: float) -> float:
        """Occupy a tile; returns when the whole array is free."""
        latest = 0.0
        for cell in range(16):
            if cells >> cell & 1 != 0:
                self.cells[cell] = until_ns
            latest = max(latest, self.cells[cell])
        return latest

    def branch(self, stream: Stream) -> None:
        """A loop's back edge, which every engine takes for itself."""
        stream.free_ns += self.branch_ns
        stream.issued_ns = stream.free_ns
        stream.branched = True
