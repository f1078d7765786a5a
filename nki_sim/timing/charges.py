"""Charge: the part of a Work that the clock needs, as the part of Python that timing/native compiles knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nki_sim.timing.costs import Work
from nki_sim.timing.lanes import GPSIMD, MATMUL, SYNC, TRANSFER, TRANSPOSE
from nki_sim.timing.pool import Intervals, Ring


@dataclass(slots=True, eq=False, repr=False)
class Queue:
    """One engine's triggers of one kind.

    ring        None where nothing bounds it
    taken       times of hoisted triggers, which do not come in order
    next_ns     earliest start of its next trigger
    begun_ns    when the first packet of its last transfer passes
    done_ns     when the last packet of its last load passes
    """

    ring: Ring | None
    taken: Intervals = field(default_factory=Intervals)
    next_ns: float = 0.0
    begun_ns: float = 0.0
    done_ns: float = -1.0


@dataclass(slots=True, eq=False, repr=False)
class Charge:
    """As Work, and as Transfer where `queue` is set.

    occupies   the trigger keeps the engine itself busy and not only its sequencer
    on_sync    it is Sync's, which waits for the queue
    loads      whether it reads HBM
    """

    kind: int
    lane: int
    interval_ns: float
    drain_ns: float
    passes: int
    cycles: float
    load_cycles: float
    table: int
    cells: int
    ports: int
    speedup: float
    stream_ns: float
    queue: Queue | None = None
    trigger: int = 0
    occupies: bool = False
    on_sync: bool = False
    loads: bool = False
    engine_ns: float = 0.0
    prepare_ns: float = 0.0
    trigger_ns: float = 0.0
    spacing_ns: float = 0.0
    first_ns: float = 0.0
    pool_ns: float = 0.0
    tail_ns: float = 0.0
    moved_bytes: float = 0.0


Queues = dict[tuple[int, str], Queue]
"""By triggering engine and way of making descriptors."""


def charge_of(work: Work, queues: Queues, ring_bytes: float) -> Charge:
    """The charge of a work; its queue is one of `queues`, to which it is added when missing."""
    made = Charge(
        work.kind, work.lane, work.interval_ns, work.drain_ns, work.passes, work.cycles, work.load_cycles, work.table,
        work.cells, work.ports, work.speedup, work.stream_ns,
    )  # fmt: skip
    transfer = work.transfer
    if transfer is None:
        return made
    key = (transfer.trigger, transfer.mode)
    if key not in queues:
        queues[key] = Queue(Ring(ring_bytes) if transfer.mode == "hwdge" else None)
    made.queue = queues[key]
    made.trigger = transfer.trigger
    made.occupies = transfer.trigger == GPSIMD and transfer.mode == "swdge"
    made.on_sync = transfer.trigger == SYNC
    made.loads = transfer.read_bytes > 0
    made.engine_ns, made.prepare_ns, made.trigger_ns = transfer.engine_ns, transfer.prepare_ns, transfer.trigger_ns
    made.spacing_ns, made.first_ns, made.pool_ns = transfer.spacing_ns, transfer.first_ns, transfer.pool_ns
    made.tail_ns, made.moved_bytes = transfer.tail_ns, float(transfer.moved_bytes)
    return made


def rows_of(work: Work | None) -> int:
    """How many rows an instruction may have in a timeline."""
    if work is None:
        return 0
    if work.kind in (MATMUL, TRANSPOSE):
        return work.passes
    return 2 if work.table or work.kind == TRANSFER else 1
