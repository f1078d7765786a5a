"""Whole kernels, simulated at the published shapes; `MEASURES` gives each point its time in the point's own unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from benchmarks.fidelity import trn2
from benchmarks.fidelity.building import at_phase
from benchmarks.fidelity.inputs import half, single
from benchmarks.fidelity.kernels import (
    attention,
    decode,
    layernorm,
    mamba,
    prefill,
    products,
    rows,
    trn1_attention,
    trn1_convolution,
    trn1_elementwise,
    trn1_fused,
    trn1_steps,
)
from benchmarks.fidelity.points import Point
from kernels import matmul
from nki_sim.kernel import Kernel
from nki_sim.profiler.profile import Profile
from nki_sim.targets import load
from nki_sim.timing import simulate

Measure = Callable[[], float]


@cache
def _attention(form: str, name: str, sequence: int) -> Profile:
    made = {"one pass": attention.attention_in_one_pass, "through hbm": attention.attention_through_hbm}[form]
    return made.profile(*[(half if name == "bf16" else single)(128, sequence)] * 3)


ATTENTION: Mapping[str, tuple[str, str, int]] = {
    f"F-{name}_{kind}_s{sequence}/source": (form, kind, sequence)
    for sequence in (512, 1024)
    for name, form in (("fused", "one pass"), ("baseline", "through hbm"))
    for kind in ("fp32", "bf16")
}


def _attention_ns(form: str, name: str, sequence: int) -> float:
    return _attention(form, name, sequence).total_ns


def errors_over_phases(point: Point) -> list[float]:
    """The errors of an attention kernel for seven phases of the clock's windows; empty for other kernels."""
    made = ATTENTION.get(point.id)
    if made is None:
        return []
    profile = _attention(*made)
    window = profile.target["clock_gate.window_ns"]
    placement = profile.allocation.placement if profile.allocation is not None else None
    targets = [at_phase(profile.target, window * part / 7) for part in range(1, 8)]
    return [simulate(profile.program, placement, one).total_ns / point.published - 1.0 for one in targets]


@cache
def five_steps(step: str) -> float:
    """ns of a step of the matrix product 4096 x 8192 x 8192 on trn1, as the older documents give them."""
    left, right = half(8192, 4096), half(8192, 8192)
    if step == "blocked":
        return matmul.matmul_blocked.with_options(target="trn1").profile(left, right).total_ns
    if step == "tiled":
        return grouped_ns(1, 1, 1, 1)
    rows_and_columns = {"hoisted": (1, 1), "blocked free": (2, 2)}[step]
    return trn1_steps.strip_product.profile(left, right, *rows_and_columns).total_ns


@cache
def grouped_ns(rows_in_group: int, columns: int, left_fused: int, right_fused: int) -> float:
    """ns of a rung of autocomp's ladder for the same product."""
    inputs = half(8192, 4096), half(8192, 8192)
    return trn1_steps.grouped_product.profile(*inputs, rows_in_group, columns, left_fused, right_fused).total_ns


@cache
def scan_ns(form: str, channels: int, times: int, copied: bool = False) -> float:
    """ns of Mamba's scan with 16 states on trn1."""
    made = {
        "v1": mamba.scan_state_by_state,
        "v2": mamba.scan_tile_by_tile,
        "v3": mamba.scan_chunks_inside,
        "chunks": mamba.scan_chunks_outside,
        "chunks first": mamba.scan_chunks_first,
    }[form]
    wide = single(channels, times)
    inputs = wide, wide, single(channels, 16), single(16, times), single(16, times)
    return made.profile(*inputs, *([copied] if copied else [])).total_ns


def _scan(form: str, channels: int, times: int, copied: bool = False) -> float:
    """us of the same in a profile's total time."""
    return (scan_ns(form, channels, times, copied) + launch_ns()) / 1000


def _scan_benchmarked(form: str, times: int, copied: bool = False) -> float:
    """us of the same with 256 channels as nki.benchmark counts them."""
    return (scan_ns(form, 256, times, copied) + benchmark_ns()) / 1000


@cache
def decode_us(tokens: int, width: int, inner: int, norm: str = "", has_residual: bool = False) -> float:
    """us of the MLP of a few tokens on trn2."""
    wide, x = half(width, inner), half(tokens, width)
    arguments = {"norm": norm, "gain": half(1, width)} if norm else {}
    if has_residual:
        arguments["residual"] = x
    return decode.decode_mlp.profile(x, wide, wide, half(inner, width), **arguments).total_ns / 1000


def _decode_fp8(tokens: int, width: int, inner: int) -> float:
    """us of the same with float8 weights."""
    wide, low = (np.zeros(shape, ml_dtypes.float8_e4m3) for shape in ((width, inner), (inner, width)))
    scales = single(128, inner), single(128, inner), single(128, width)
    return decode.decode_mlp_fp8.profile(half(tokens, width), wide, wide, low, *scales).total_ns / 1000


@cache
def prefill_us(
    tokens: int, width: int, inner: int, has_norm: bool = False, has_residual: bool = False, store_sums: bool = False
) -> float:
    """us of the MLP of many tokens on trn2."""
    x, wide = half(tokens, width), half(width, inner)
    extra = half(width // 128, 128) if has_norm else None, x if has_residual else None, store_sums
    return prefill.prefill_mlp.profile(x, wide, wide, half(inner, width), *extra).total_ns / 1000


def _tensor_window() -> float:
    """First to last Tensor instruction of the float32 product 2048 x 2048 x 2048."""
    run = products.product_of_columns.with_options(target="trn2").profile(single(2048, 2048), single(2048, 2048)).run
    busy = run.lane("tensor")
    return float(busy["issue_end_ns"].max() - busy["start_ns"].min())


def _launched(made: Kernel, *inputs: Any) -> float:
    """us of a trn1 kernel with the runtime's overhead around it, which a profile's total time contains."""
    return (made.profile(*inputs).total_ns + launch_ns()) / 1000


def _benchmarked(made: Kernel, *inputs: Any) -> float:
    """us of a trn1 kernel as nki.benchmark counts them."""
    return (made.profile(*inputs).total_ns + benchmark_ns()) / 1000


def launch_ns() -> float:
    target = load("trn1")
    return target["launch.preamble_ns"] + target["launch.postamble_ns"]


def benchmark_ns() -> float:
    return load("trn1")["launch.benchmark_ns"]


@cache
def layer_norm_ns(fused: bool) -> float:
    """ns of LayerNorm of 4096 x 8192 float32, the size its tutorial's script takes."""
    row = single(1, 8192)
    return layernorm.layer_norm.profile(single(4096, 8192), row, row, 1e-5, fused).total_ns


def _rotated() -> list[npt.NDArray[np.float32]]:
    """x [128, S] and its cosines and sines for 64 heads of 4096 positions."""
    return [single(128, 64 * 4096), single(64, 64 * 4096), single(64, 64 * 4096)]


def _convolved(dtype: type[np.floating[Any]]) -> float:
    made = trn1_convolution.convolution
    return _benchmarked(made, *(np.zeros(shape, dtype) for shape in ((256, 224, 224), (256, 256, 9), (256, 1))))


def _added(length: int, lanes: int, width: int) -> float:
    return _benchmarked(rows.add_in_chunks, single(length), single(length), lanes, width)


MEASURES: Mapping[str, Measure] = {
    **{name: partial(_attention_ns, *made) for name, made in ATTENTION.items()},
    **trn2.MEASURES,
    "C-mlp3/fc1": _tensor_window,
    "K-tkg1": partial(decode_us, 1, 8192, 448, "rms", True),
    "K-tkg2": partial(decode_us, 1, 7168, 896, "rms", True),
    "K-tkg3": partial(decode_us, 1, 16384, 416),
    "K-tkg4": partial(decode_us, 1, 16384, 832),
    "K-tkg5": partial(decode_us, 24, 8192, 832, "layer"),
    "K-tkg6": partial(decode_us, 8, 16384, 832, "rms"),
    "K-tkg7": partial(_decode_fp8, 1, 16384, 896),
    "K-cte1": partial(prefill_us, 512, 1024, 448, True, True),
    "K-cte2": partial(prefill_us, 768, 1024, 896, True, True),
    "K-cte3": partial(prefill_us, 1024, 16384, 416),
    "K-cte4": partial(prefill_us, 1024, 16384, 416, True),
    "K-cte5": partial(prefill_us, 8192, 8192, 448, False, True, True),
    "K-cte6": partial(prefill_us, 8192, 8192, 448, True, True),
    "K-cte7": partial(prefill_us, 128, 8192, 896, True, True),
    "A-nki_matmul_tiled": lambda: five_steps("tiled") / 1000,
    "A-nki_matmul_hoist_load": lambda: five_steps("hoisted") / 1000,
    "A-nki_matmul_block_free_dimension": lambda: five_steps("blocked free") / 1000,
    "A-nki_matmul_fully_optimized": lambda: five_steps("blocked") / 1000,
    "A3-0": lambda: grouped_ns(1, 1, 1, 1) / 1000,
    "A3-1": lambda: grouped_ns(1, 2, 1, 1) / 1000,
    "A3-2": lambda: grouped_ns(2, 2, 1, 1) / 1000,
    "A3-3": lambda: grouped_ns(4, 2, 1, 1) / 1000,
    "A3-4": lambda: grouped_ns(4, 2, 2, 1) / 1000,
    "A3-5": lambda: grouped_ns(4, 2, 4, 2) / 1000,
    "H-silu": lambda: _launched(rows.silu, single(4096, 7168)),
    "H-rmsnorm_matmul": lambda: _launched(products.rms_norm_product, single(4096, 1024), single(1024, 2048)),
    "H-add_rmsnorm_matmul": lambda: _launched(
        products.add_rms_norm_product, single(4096, 1024), single(4096, 1024), single(1, 1024), single(1024, 2048)
    ),
    "H-transpose_matmul": lambda: _launched(products.product_of_columns, single(2048, 4096), single(2048, 10944)),
    "H-matmul": lambda: _launched(products.product_of_rows, single(4096, 5120), single(5120, 12288)),
    "H-bmm": lambda: _launched(products.batched_product, single(16, 4096, 64), single(16, 64, 4096)),
    "H-swiglu": lambda: _launched(
        trn1_fused.swiglu, single(4096, 1024), single(1024, 3072), single(1024, 3072), single(3072, 1024)
    ),
    "H-matmul_add_rmsnorm": lambda: _launched(
        trn1_fused.product_add_rms_norm, single(4096, 2048), single(2048, 2048), single(4096, 2048), single(1, 2048)
    ),
    "H-adamw": lambda: _launched(trn1_elementwise.adamw, *[single(10944, 2048)] * 4),
    "H-rope": lambda: _launched(trn1_elementwise.rope, *_rotated()),
    "H-rope-best": lambda: _launched(trn1_elementwise.rope_wide, *_rotated()),
    "H-silu-best": lambda: _launched(rows.silu_in_two, single(4096, 7168)),
    "H-mamba-best": partial(_scan, "chunks first", 256, 7168),
    "D-v1-512x256": partial(_scan, "v1", 256, 512),
    "D-v1-512x4096": partial(_scan, "v1", 4096, 512),
    "D-v2-512x4096": partial(_scan, "v2", 4096, 512),
    **{f"D-v2-{times}x4096": partial(_scan, "v2", 4096, times) for times in (1024, 2048, 4096)},
    **{f"D-v3-{times}x4096": partial(_scan, "v3", 4096, times) for times in (512, 1024, 4096, 8192)},
    "A3-mamba-0": partial(_scan_benchmarked, "v1", 2048),
    "A3-mamba-2": partial(_scan_benchmarked, "v2", 2048),
    "A3-mamba-4": partial(_scan_benchmarked, "chunks", 2048, True),
    "A3-mamba-7": partial(_scan_benchmarked, "chunks", 2048),
    "A3-sd-6": lambda: _benchmarked(trn1_attention.attention_by_rows, *[single(4096, 64)] * 3),
    "A3-attention-10": lambda: _benchmarked(trn1_attention.attention_by_banks, *[half(128, 4096)] * 3),
    "N-trn1-vadd-FREE_DIM200": partial(_added, 25600, 128, 200),
    "N-trn1-vadd-FREE_DIM1000_(256,000)": partial(_added, 256000, 128, 1000),
    "N-trn1-vadd-FREE_DIM2000_(256,000)": partial(_added, 256000, 128, 2000),
    "N-trn1-vadd-FREE_DIM2": partial(_added, 25600, 128, 2),
    "N-trn1-vadd-ROW_CHUNK128": partial(_added, 25600, 128, 1),
    "N-trn1-vadd-ROW_CHUNK1": partial(_added, 25600, 1, 1),
    "N-trn1-conv2d-fp16": partial(_convolved, np.float16),
    "N-trn1-conv2d-fp32": partial(_convolved, np.float32),
}
