"""Metrics of a timeline, each with its definition beside it. Names follow Neuron Explorer where it has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import float32
from nki_sim.program.ir import TensorDecl
from nki_sim.timing.lanes import MATMUL, TENSOR, TRANSPOSE
from nki_sim.timing.timeline import Timeline, busy_ns, machine_rows

DEFINITIONS: Mapping[str, str] = {
    "mfu_ratio": "model FLOPs of matmuls (2 K M N each, transposes excluded) / (total time x bf16 peak)",
    "mfu_max_achievable_ratio": "what HBM bandwidth allows: model FLOPs per HBM byte / peak intensity, at most 1",
    "hfu_ratio": "FLOPs of all Tensor engine instructions, transposes included / (total time x bf16 peak)",
    "mbu_ratio": "bytes read from and written to HBM / (total time x HBM bandwidth of the core's stack)",
    "mbu_min_read_ratio": "MBU if every input were read once: bytes of the inputs / (total time x HBM bandwidth)",
    "useful_read_ratio": "share of the bytes read from HBM that was read for the first time",
    "tensor_engine_active_ratio": "time the Tensor engine streams columns or loads weights / total time",
    "tensor_active_ratio": "time the Tensor engine streams columns / total time",
    "transpose_ratio": "share of the streaming time spent on transposes",
    "slow_clock_ns": "Tensor engine time lost because its clock was not yet warm",
    "throttled_active_ratio": "the same as a share of the total time",
    "model_flops": "2 K M N over all matmuls",
    "hardware_flops": "2 x rows x columns of the array in use x columns streamed, over all Tensor engine instructions",
    "transpose_flops": "the part of the hardware FLOPs that only moves data",
    "adjusted_hardware_flops": "hardware FLOPs in units of bfloat16 work: float32 counts 4 times, 8-bit half (gen3)",
    "adjusted_transpose_flops": "transpose FLOPs in the same units",
    "arithmetic_intensity_flops_per_byte": "(hardware - transpose FLOPs) / bytes read from and written to HBM",
    "peak_intensity_flops_per_byte": "bf16 peak / HBM bandwidth: below it memory is the bound, above it arithmetic",
    "dma_active_ratio": "time of the DMA engines together / total time",
    "dma_bytes": "bytes moved by DMA, the larger of what is read and written for each transfer",
    "dma_transfers": "dma_copy instructions executed",
    "mean_transfer_bytes": "dma_bytes / dma_transfers",
    "mean_descriptor_bytes": "dma_bytes / contiguous runs: below about 2 KiB descriptors bound the DMA engines",
    "dma_any_active_ratio": "time during which at least one transfer moves bytes / total time",
    "hbm_read_bytes": "bytes read from HBM",
    "hbm_write_bytes": "bytes written to HBM",
}

EXPLORER_NAMES: Mapping[str, str] = {
    "mfu_ratio": "mfu_estimated_percent",
    "mfu_max_achievable_ratio": "mfu_max_achievable_estimated_percent",
    "hfu_ratio": "hfu_estimated_percent",
    "mbu_ratio": "mbu_estimated_percent",
    "mbu_min_read_ratio": "mbu_min_read_util_percent",
    "useful_read_ratio": "useful_read_percent",
    "tensor_engine_active_ratio": "tensor_engine_active_time_percent",
    "throttled_active_ratio": "active_throttled_flops",
    "model_flops": "model_flops",
    "hardware_flops": "hardware_flops",
    "transpose_flops": "transpose_flops",
    "adjusted_hardware_flops": "adjusted_hardware_flops",
    "adjusted_transpose_flops": "adjusted_transpose_flops",
    "arithmetic_intensity_flops_per_byte": "mm_arithmetic_intensity",
    "peak_intensity_flops_per_byte": "peak_flops_bandwidth_ratio",
    "dma_bytes": "dma_transfer_total_bytes",
    "dma_transfers": "dma_transfer_count",
    "mean_transfer_bytes": "dma_transfer_average_bytes",
    "dma_any_active_ratio": "dma_active_time_percent",
    "hbm_read_bytes": "hbm_read_bytes",
    "hbm_write_bytes": "hbm_write_bytes",
}
"""Our name -> Neuron Explorer's (overview-summary-page.rst, profile-schema-reference.rst); others it does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """See DEFINITIONS. Ratios are between 0 and 1."""

    mfu_ratio: float
    mfu_max_achievable_ratio: float
    hfu_ratio: float
    mbu_ratio: float
    mbu_min_read_ratio: float
    useful_read_ratio: float
    tensor_engine_active_ratio: float
    tensor_active_ratio: float
    transpose_ratio: float
    slow_clock_ns: float
    throttled_active_ratio: float
    model_flops: int
    hardware_flops: int
    transpose_flops: int
    adjusted_hardware_flops: float
    adjusted_transpose_flops: float
    arithmetic_intensity_flops_per_byte: float
    peak_intensity_flops_per_byte: float
    dma_active_ratio: float
    dma_bytes: int
    dma_transfers: int
    mean_transfer_bytes: float
    mean_descriptor_bytes: float
    dma_any_active_ratio: float
    hbm_read_bytes: int
    hbm_write_bytes: int


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def measure(timeline: Timeline) -> Metrics:
    """All metrics of a timeline."""
    target, total = timeline.target, timeline.total_ns
    flops = sum(work.model_flops * int(n) for work, n in zip(timeline.works, timeline.counts, strict=True) if work)
    hardware, transposes, adjusted, adjusted_transposes = _tensor_flops(timeline)
    transfers = timeline.transfers
    moved, read, written = (int(transfers[name].sum()) for name in ("moved_bytes", "read_bytes", "write_bytes"))
    rows = timeline.rows[timeline.rows["lane"] == TENSOR]
    streamed = busy_ns(rows)
    machine = machine_rows(timeline)
    # TFLOP/s are 1000 FLOP per ns.
    peak, bandwidth = target["tensor.peak_bf16_tflops"] * 1e3, target["hbm.bandwidth_bytes_per_ns"]
    read_once = sum(min(one.read_bytes, one.read_bytes / max(one.times, 1.0)) for one in reloads(timeline))
    inputs = sum(tensor.nbytes for tensor in timeline.program.inputs)
    return Metrics(
        mfu_ratio=_ratio(flops, total * peak),
        mfu_max_achievable_ratio=min(1.0, _ratio(flops, read + written) * bandwidth / peak),
        hfu_ratio=_ratio(hardware, total * peak),
        mbu_ratio=_ratio(read + written, total * bandwidth),
        mbu_min_read_ratio=_ratio(inputs, total * bandwidth),
        useful_read_ratio=_ratio(read_once, read),
        tensor_engine_active_ratio=_ratio(busy_ns(machine[machine["lane"] == TENSOR]), total),
        tensor_active_ratio=_ratio(streamed, total),
        transpose_ratio=_ratio(busy_ns(rows[rows["kind"] == TRANSPOSE]), streamed),
        slow_clock_ns=timeline.slow_clock_ns,
        throttled_active_ratio=_ratio(timeline.slow_clock_ns, total),
        model_flops=flops,
        hardware_flops=hardware,
        transpose_flops=transposes,
        adjusted_hardware_flops=adjusted,
        adjusted_transpose_flops=adjusted_transposes,
        arithmetic_intensity_flops_per_byte=_ratio(hardware - transposes, read + written),
        peak_intensity_flops_per_byte=peak / bandwidth,
        dma_active_ratio=_ratio(timeline.dma_busy_ns, total),
        dma_bytes=moved,
        dma_transfers=len(transfers),
        mean_transfer_bytes=_ratio(moved, len(transfers)),
        mean_descriptor_bytes=_ratio(moved, int(transfers["descriptors"].sum())),
        dma_any_active_ratio=_ratio(busy_ns(timeline.rows[transfers["row"]]), total),
        hbm_read_bytes=read,
        hbm_write_bytes=written,
    )


def _tensor_flops(timeline: Timeline) -> tuple[int, int, float, float]:
    """Hardware FLOPs and those of transposes, then both in units of bfloat16 work."""
    total, transposes, adjusted, adjusted_transposes = 0, 0, 0.0, 0.0
    eight_bit = 1.0 if timeline.target.generation < 3 else 0.5
    for instruction, work, count in zip(timeline.instructions, timeline.works, timeline.counts, strict=True):
        if work is None or work.kind not in (MATMUL, TRANSPOSE):
            continue
        operands = instruction.operands
        moving, weights = operands.get("moving"), operands.get("stationary")
        if instruction.op == "nc_transpose":
            data = operands["data"]
            assert isinstance(data, AccessPattern)
            # The data are the weights; an identity with as many columns as they have rows streams past.
            flops = 2 * data.elements * data.shape[0]
            dtypes = [data.dtype]
        elif isinstance(moving, AccessPattern) and isinstance(weights, AccessPattern):
            flops = 2 * moving.elements * weights.free_elements
            if instruction.attributes.get("perf_mode") in ("double_row", "double_row_gen3"):
                # Two rows of weights share a cell of the array, and the same column of the result.
                flops //= 2
            dtypes = [moving.dtype, weights.dtype]
        else:
            continue
        flops *= int(count)
        scale = max(4.0 if dtype is float32 else eight_bit if dtype.itemsize == 1 else 1.0 for dtype in dtypes)
        total += flops
        adjusted += flops * scale
        if work.kind == TRANSPOSE:
            transposes += flops
            adjusted_transposes += flops * scale
    return total, transposes, adjusted, adjusted_transposes


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
