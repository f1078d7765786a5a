"""Metrics of a timeline, each with its definition beside it. Names follow Neuron Explorer where it has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import TensorDecl
from nki_sim.timing.lanes import TENSOR, TRANSPOSE
from nki_sim.timing.timeline import Timeline, busy_ns

DEFINITIONS: Mapping[str, str] = {
    "mfu_ratio": "model FLOPs of matmuls (2 K M N each, transposes excluded) / (total time x bf16 peak)",
    "mbu_ratio": "bytes read from and written to HBM / (total time x HBM bandwidth of the core's stack)",
    "tensor_active_ratio": "time the Tensor engine streams columns / total time",
    "transpose_ratio": "share of that time spent on transposes",
    "slow_clock_ns": "Tensor engine time lost because its clock was not yet warm",
    "model_flops": "2 K M N over all matmuls",
    "arithmetic_intensity_flops_per_byte": "model FLOPs / bytes read from and written to HBM",
    "dma_active_ratio": "time of the DMA engines together / total time",
    "dma_bytes": "bytes moved by DMA, the larger of what is read and written for each transfer",
    "dma_transfers": "dma_copy instructions executed",
    "mean_transfer_bytes": "dma_bytes / dma_transfers",
    "mean_descriptor_bytes": "dma_bytes / contiguous runs: below about 2 KiB descriptors bound the DMA engines",
    "hbm_read_bytes": "bytes read from HBM",
    "hbm_write_bytes": "bytes written to HBM",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """See DEFINITIONS. Ratios are between 0 and 1."""

    mfu_ratio: float
    mbu_ratio: float
    tensor_active_ratio: float
    transpose_ratio: float
    slow_clock_ns: float
    model_flops: int
    arithmetic_intensity_flops_per_byte: float
    dma_active_ratio: float
    dma_bytes: int
    dma_transfers: int
    mean_transfer_bytes: float
    mean_descriptor_bytes: float
    hbm_read_bytes: int
    hbm_write_bytes: int


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def measure(timeline: Timeline) -> Metrics:
    """All metrics of a timeline."""
    target, total = timeline.target, timeline.total_ns
    flops = sum(work.model_flops * int(n) for work, n in zip(timeline.works, timeline.counts, strict=True) if work)
    transfers = timeline.transfers
    moved, read, written = (int(transfers[name].sum()) for name in ("moved_bytes", "read_bytes", "write_bytes"))
    rows = timeline.rows[timeline.rows["lane"] == TENSOR]
    streamed = busy_ns(rows)
    return Metrics(
        # TFLOP/s are 1000 FLOP per ns.
        mfu_ratio=_ratio(flops, total * target["tensor.peak_bf16_tflops"] * 1e3),
        mbu_ratio=_ratio(read + written, total * target["hbm.bandwidth_bytes_per_ns"]),
        tensor_active_ratio=_ratio(streamed, total),
        transpose_ratio=_ratio(busy_ns(rows[rows["kind"] == TRANSPOSE]), streamed),
        slow_clock_ns=timeline.slow_clock_ns,
        model_flops=flops,
        arithmetic_intensity_flops_per_byte=_ratio(flops, read + written),
        dma_active_ratio=_ratio(timeline.dma_busy_ns, total),
        dma_bytes=moved,
        dma_transfers=len(transfers),
        mean_transfer_bytes=_ratio(moved, len(transfers)),
        mean_descriptor_bytes=_ratio(moved, int(transfers["descriptors"].sum())),
        hbm_read_bytes=read,
        hbm_write_bytes=written,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """How often an HBM tensor was read: `times` is bytes read / bytes of the tensor.

    A row that one load broadcasts to many partitions counts once, although read_bytes has it many times.
    """

    tensor: TensorDecl
    read_bytes: int
    times: float


def reloads(timeline: Timeline) -> list[Reload]:
    """HBM tensors that were read, most often first."""
    read: dict[int, int] = {}
    distinct: dict[int, int] = {}
    for instruction, work, count in zip(timeline.instructions, timeline.works, timeline.counts, strict=True):
        if work is None or work.transfer is None or not work.transfer.read_bytes:
            continue
        source = instruction.operands["src"]
        assert isinstance(source, AccessPattern)
        index = source.tensor.index
        read[index] = read.get(index, 0) + work.transfer.read_bytes * int(count)
        once = prod(number for stride, number in source.dims if stride) * source.dtype.itemsize
        distinct[index] = distinct.get(index, 0) + once * int(count)
    tensors = timeline.program.tensors
    found = [
        Reload(tensor=tensors[index], read_bytes=total, times=distinct[index] / max(1, tensors[index].nbytes))
        for index, total in read.items()
    ]
    return sorted(found, key=lambda one: (-one.times, one.tensor.index))
