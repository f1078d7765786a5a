"""Transfers: what a dma_copy asks of the DMA engines, and who triggers it.

Sources: nki-dma-overview.rst, nki-dge.rst, nki-dma-bandwidth-guide.rst; every number is in the target's [dma] section.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from nki_sim.program.access import AccessPattern, coalesce
from nki_sim.program.ir import Instruction
from nki_sim.targets import Target
from nki_sim.timing.lanes import DMA_COPY, DMA_LOAD, DMA_STORE, GPSIMD, LANE_OF, SYNC


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One dma_copy, priced.

    lane            DMA_LOAD, DMA_STORE or DMA_COPY
    trigger         engine that triggers it
    mode            "hwdge", "swdge" or "none"
    descriptors     contiguous runs
    run_bytes       bytes of one run, the larger side
    engines         DMA engines that share the work
    engine_ns       time each of them takes, first byte to last
    prepare_ns      software on the triggering engine before the trigger
    trigger_ns      time the trigger occupies its engine, unless the queue is full
    spacing_ns      least time between two triggers on that engine
    first_ns        trigger start to first packet
    pool_ns         share of the time of all engines together, of their common rate or of HBM's, whichever is longest
    tail_ns         last packet of an engine that starts with the first to completion: engines that start late, HBM
    read_bytes, write_bytes     moved from and to HBM
    moved_bytes     the larger of the bytes read and written
    """

    lane: int
    trigger: int
    mode: str
    descriptors: int
    run_bytes: int
    engines: int
    engine_ns: float
    prepare_ns: float
    trigger_ns: float
    spacing_ns: float
    first_ns: float
    pool_ns: float
    tail_ns: float
    read_bytes: int
    write_bytes: int
    moved_bytes: int


def contiguous_run(pattern: AccessPattern) -> int:
    """Elements in a row without a gap; a partition of an on-chip tile ends a run."""
    dims = pattern.dims
    if pattern.partition is None and pattern.vector is not None:
        dims = dims[1:]
    merged = coalesce(dims)
    if not merged:
        return 1
    stride, count = merged[-1]
    return count if stride == 1 else 1


def descriptors_of(dst: AccessPattern, src: AccessPattern, target: Target) -> tuple[int, int]:
    """(number, bytes of the larger side) of the runs contiguous on both sides, cut where one is too long.

    Between two places in HBM a run is cut for all engines to take part (assumed), down to `shortest_cut_bytes`.
    """
    limit_bytes = int(target["dma.descriptor_max_bytes"])
    elements = max(1, src.elements)
    size = max(dst.dtype.itemsize, src.dtype.itemsize)
    one, other = contiguous_run(dst), contiguous_run(src)
    run = min(one, other)
    # Runs of unequal length cut each other; where the shorter divides the longer, nothing is left over.
    count = ceil(elements / run) if max(one, other) % run == 0 else ceil(elements / one) + ceil(elements / other)
    if not dst.on_chip and not src.on_chip:
        shortest = int(target["dma.shortest_cut_bytes"])
        limit_bytes = min(limit_bytes, max(shortest, ceil(elements * size / target["dma.engines"])))
    run_bytes = max(1, elements * size // count)
    if run_bytes > limit_bytes:
        pieces = ceil(run_bytes / limit_bytes)
        count, run_bytes = count * pieces, ceil(run_bytes / pieces)
    return count, run_bytes


def choose_mode(instruction: Instruction, dst: AccessPattern, src: AccessPattern, target: Target) -> str:
    """Who makes the descriptors when the kernel leaves it to the compiler.

    Assumed, after nki-dge.rst and the profiles of attention in bfloat16: indirect addresses need software; hardware
    takes the rest where there is any, except when it would have to cast or when GpSimd, which it does not serve,
    triggers the store; those are software's. Without hardware a fixed address has its descriptors ready in HBM.
    """
    asked = instruction.attributes.get("dge_mode")
    if asked in ("hwdge", "swdge", "none"):
        return str(asked)
    if dst.vector is not None or src.vector is not None:
        return "swdge"
    if target["dma.hwdge"]:
        if dst.dtype is not src.dtype:
            return "swdge"
        on_gpsimd = src.on_chip and not dst.on_chip and bool(target["dma.store_on_gpsimd"])
        return "swdge" if on_gpsimd and instruction.attributes.get("engine") not in LANE_OF else "hwdge"
    return "swdge" if dst.is_dynamic or src.is_dynamic else "none"


def transfer_of(instruction: Instruction, target: Target) -> Transfer:
    """The price of a dma_copy on `target`."""
    dst, src = instruction.operands["dst"], instruction.operands["src"]
    assert isinstance(dst, AccessPattern) and isinstance(src, AccessPattern)
    reads_hbm, writes_hbm = not src.on_chip, not dst.on_chip
    if reads_hbm and not writes_hbm:
        lane = DMA_LOAD
    elif writes_hbm and not reads_hbm:
        lane = DMA_STORE
    else:
        lane = DMA_COPY
    mode = choose_mode(instruction, dst, src, target)
    descriptors, run_bytes = descriptors_of(dst, src, target)
    return priced(
        target,
        lane=lane,
        trigger=_trigger(instruction, mode, lane, target),
        mode=mode,
        descriptors=descriptors,
        run_bytes=run_bytes,
        casts=dst.dtype is not src.dtype,
        engines=_engines(dst, src, descriptors, target),
        read_bytes=src.nbytes if reads_hbm else 0,
        write_bytes=dst.nbytes if writes_hbm else 0,
        moved_bytes=max(src.nbytes, dst.nbytes),
    )


def priced(
    target: Target,
    *,
    lane: int,
    trigger: int,
    mode: str,
    descriptors: int,
    run_bytes: int,
    engines: int,
    read_bytes: int,
    write_bytes: int,
    moved_bytes: int,
    casts: bool = False,
) -> Transfer:
    """A transfer of `descriptors` runs over `engines` engines, with the times the target's [dma] section gives it."""
    rate = target["dma.engine_bytes_per_ns"]
    busy_ns = ceil(descriptors / engines) * (target["dma.descriptor_ns"] + run_bytes / rate)
    # A cast delays each descriptor but not the one behind it.
    engine_ns = busy_ns + (target["dma.cast_ns"] if casts else 0.0)
    prepare_ns = 0.0
    if mode == "hwdge":
        trigger_ns, spacing_ns = target["dma.hwdge_trigger_ns"], target["dma.hwdge_interval_ns"]
        first_ns = target["dma.hwdge_first_packet_ns"] + (target["dma.hwdge_read_ns"] if read_bytes else 0.0)
    elif mode == "swdge":
        trigger_ns, spacing_ns = target["dma.swdge_trigger_ns"], target["dma.swdge_interval_ns"]
        prepare_ns = target["dma.swdge_prepare_ns"] + descriptors * target["dma.swdge_descriptor_ns"]
        first_ns = target["dma.swdge_first_packet_ns"] + (target["dma.swdge_read_ns"] if read_bytes else 0.0)
    else:
        trigger_ns = spacing_ns = target["dma.static_trigger_ns"]
        first_ns = target["dma.static_first_packet_ns"]
    # Completion waits for the last engine: it starts late, and of many engines one meets slow HBM rows.
    others = engines - 1
    tail_ns = target["dma.stagger_ns"] * others
    if read_bytes:
        spread = target["dma.read_spread_ratio"] * others / max(1.0, target["dma.engines"] - 1)
        tail_ns += target["dma.read_latency_ns"] + spread * min(busy_ns, target["dma.read_spread_limit_ns"])
    pool_ns = max(
        busy_ns * engines / target["dma.engines"],
        moved_bytes / target["dma.aggregate_bytes_per_ns"],
        (read_bytes + write_bytes) / target["hbm.bandwidth_bytes_per_ns"],
    )
    return Transfer(
        lane=lane,
        trigger=trigger,
        mode=mode,
        descriptors=descriptors,
        run_bytes=run_bytes,
        engines=engines,
        engine_ns=engine_ns,
        prepare_ns=prepare_ns,
        trigger_ns=trigger_ns,
        spacing_ns=spacing_ns,
        first_ns=first_ns,
        pool_ns=pool_ns,
        tail_ns=tail_ns,
        read_bytes=read_bytes,
        write_bytes=write_bytes,
        moved_bytes=moved_bytes,
    )


def _engines(dst: AccessPattern, src: AccessPattern, descriptors: int, target: Target) -> int:
    """DMA engines that take part: one per eight partitions, all of them between two places in HBM."""
    available = int(target["dma.engines"])
    on_chip = [side.shape[0] for side in (dst, src) if side.on_chip]
    if not on_chip:
        return min(available, max(1, descriptors))
    return max(1, min(available, ceil(max(on_chip) / target["dma.partitions_per_engine"]), descriptors))


def _trigger(instruction: Instruction, mode: str, lane: int, target: Target) -> int:
    if mode == "swdge":
        return GPSIMD
    asked = instruction.attributes.get("engine")
    if isinstance(asked, str) and asked in LANE_OF:
        return LANE_OF[asked]
    if lane == DMA_STORE and target["dma.store_on_gpsimd"]:
        return GPSIMD
    return SYNC
