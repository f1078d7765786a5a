"""Whole kernels, simulated at the published shapes; `MEASURES` gives each point its time in the point's own unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from benchmarks.fidelity.building import at_phase
from benchmarks.fidelity.kernels import attention, decode, products, rows
from benchmarks.fidelity.points import Point
from kernels import matmul
from nki_sim.kernel import Kernel
from nki_sim.profiler.profile import Profile
from nki_sim.targets import load
from nki_sim.timing import simulate

Measure = Callable[[], float]


def single(*shape: int) -> npt.NDArray[np.float32]:
    return np.zeros(shape, np.float32)


def half(*shape: int) -> npt.NDArray[Any]:
    return np.zeros(shape, ml_dtypes.bfloat16)


@cache
def _attention(form: str, name: str) -> Profile:
    made = {"one pass": attention.attention_in_one_pass, "through hbm": attention.attention_through_hbm}[form]
    inputs = [half(128, 512) if name == "bf16" else single(128, 512) for _ in range(3)]
    return made.profile(*inputs)


def errors_over_phases(point: Point) -> list[float]:
    """The errors of an attention kernel for seven phases of the clock's windows; empty for other kernels."""
    form = {"F-fused": "one pass", "F-baseline": "through hbm"}.get(point.id.split("_")[0])
    if form is None:
        return []
    profile = _attention(form, point.id.split("_")[1])
    window = profile.target["clock_gate.window_ns"]
    placement = profile.allocation.placement if profile.allocation is not None else None
    targets = [at_phase(profile.target, window * part / 7) for part in range(1, 8)]
    return [simulate(profile.program, placement, one).total_ns / point.published - 1.0 for one in targets]


@cache
def five_steps(step: str) -> float:
    """ns of a step of the matrix product 4096 x 8192 x 8192 on trn1."""
    made = {
        "tiled": matmul.matmul_tiled,
        "hoisted": matmul.matmul_hoisted,
        "blocked free": matmul.matmul_blocked_free,
        "blocked": matmul.matmul_blocked,
    }[step]
    return made.with_options(target="trn1").profile(half(8192, 4096), half(8192, 8192)).total_ns


@cache
def _scan(form: str, channels: int) -> float:
    made = {"v1": rows.scan_state_by_state, "v2": rows.scan_tile_by_tile}[form]
    wide = single(channels, 512)
    return made.profile(wide, wide, single(channels, 16), single(16, 512), single(16, 512)).total_ns


def mamba_ratio() -> float:
    return _scan("v1", 4096) / _scan("v2", 4096)


@cache
def decode_ns(intermediate: int) -> float:
    wide = half(16384, intermediate)
    return decode.decode_mlp.profile(half(1, 16384), wide, wide, half(intermediate, 16384)).total_ns


def _tensor_window() -> float:
    """First to last Tensor instruction of the float32 product 2048 x 2048 x 2048."""
    run = products.product_of_columns.with_options(target="trn2").profile(single(2048, 2048), single(2048, 2048)).run
    busy = run.lane("tensor")
    return float(busy["issue_end_ns"].max() - busy["start_ns"].min())


def _launched(made: Kernel, *inputs: Any) -> float:
    """us of a trn1 kernel with the runtime's overhead around it, which a profile's total time contains."""
    return (made.profile(*inputs).total_ns + launch_ns()) / 1000


def launch_ns() -> float:
    target = load("trn1")
    return target["launch.preamble_ns"] + target["launch.postamble_ns"]


def _added(length: int, lanes: int, width: int) -> float:
    return _launched(rows.add_in_chunks, single(length), single(length), lanes, width)


MEASURES: Mapping[str, Measure] = {
    "F-fused_fp32_s512/source": lambda: _attention("one pass", "fp32").total_ns,
    "F-fused_bf16_s512/source": lambda: _attention("one pass", "bf16").total_ns,
    "F-baseline_fp32_s512/source": lambda: _attention("through hbm", "fp32").total_ns,
    "F-baseline_bf16_s512/source": lambda: _attention("through hbm", "bf16").total_ns,
    "C-mlp3/fc1": _tensor_window,
    "K-tkg3": lambda: decode_ns(416) / 1000,
    "K-tkg4": lambda: decode_ns(832) / 1000,
    "A-nki_matmul_tiled": lambda: five_steps("tiled") / 1000,
    "A-nki_matmul_hoist_load": lambda: five_steps("hoisted") / 1000,
    "A-nki_matmul_block_free_dimension": lambda: five_steps("blocked free") / 1000,
    "A-nki_matmul_fully_optimized": lambda: five_steps("blocked") / 1000,
    "A3-0": lambda: five_steps("tiled") / 1000,
    "A3-2": lambda: five_steps("blocked free") / 1000,
    "A3-5": lambda: five_steps("blocked") / 1000,
    "H-silu": lambda: _launched(rows.silu, single(4096, 7168)),
    "H-rmsnorm_matmul": lambda: _launched(products.rms_norm_product, single(4096, 1024), single(1024, 2048)),
    "H-add_rmsnorm_matmul": lambda: _launched(
        products.add_rms_norm_product, single(4096, 1024), single(4096, 1024), single(1, 1024), single(1024, 2048)
    ),
    "H-transpose_matmul": lambda: _launched(products.product_of_columns, single(2048, 4096), single(2048, 10944)),
    "H-matmul": lambda: _launched(products.product_of_rows, single(4096, 5120), single(5120, 12288)),
    "H-bmm": lambda: _launched(products.batched_product, single(16, 4096, 64), single(16, 64, 4096)),
    "D-v1-512x256": lambda: (_scan("v1", 256) + launch_ns()) / 1000,
    "D-v1-512x4096": lambda: (_scan("v1", 4096) + launch_ns()) / 1000,
    "D-v2-512x4096": lambda: (_scan("v2", 4096) + launch_ns()) / 1000,
    "N-trn1-vadd-FREE_DIM200": partial(_added, 25600, 128, 200),
    "N-trn1-vadd-FREE_DIM1000_(256,000)": partial(_added, 256000, 128, 1000),
    "N-trn1-vadd-FREE_DIM2000_(256,000)": partial(_added, 256000, 128, 2000),
    "N-trn1-vadd-FREE_DIM2": partial(_added, 25600, 128, 2),
    "N-trn1-vadd-ROW_CHUNK128": partial(_added, 25600, 128, 1),
}
