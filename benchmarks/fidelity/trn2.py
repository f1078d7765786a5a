"""Kernels and figures of trn2 that no constant was fitted to; `MEASURES` as in whole.py, in each point's own unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from math import sqrt

from benchmarks.fidelity import micro
from benchmarks.fidelity.building import Micro
from benchmarks.fidelity.inputs import half, single
from benchmarks.fidelity.kernels import adding, banks, gelu, gqa, window
from kernels import matmul
from nki_sim.program.dtypes import bfloat16
from nki_sim.targets import load

LADDER: Mapping[str, Mapping[str, float]] = {
    "v1": {},
    "v2": {"two_passes": True},
    "v3a": {"two_passes": True, "scale_in_exp": True},
    "v3b": {"two_passes": True, "deferred": True},
    "v3c": {"two_passes": True, "scale_in_exp": True, "deferred": True},
    "v4": {"two_passes": True, "scale_in_exp": True, "deferred": True, "together": 2},
    "v5": {"two_passes": True, "scale_in_exp": True, "deferred": True, "together": 2, "split": True},
    "v6": {
        "two_passes": True, "scale_in_exp": True, "deferred": True, "together": 2, "split": True, "maximum": False,
    },
    "v7a": {
        "two_passes": True, "scale_in_exp": True, "deferred": True, "together": 2, "split": True, "maximum": False,
        "from_psum": True,
    },
}  # fmt: skip
"""Arguments of gqa.grouped_attention for each published variant, by its name there."""


@cache
def gqa_ns(variant: str) -> float:
    """One of the eight key heads with its two query heads, 4096 x 4096."""
    keys = single(4096, 128)
    if variant == "generated":
        return gqa.spilled_attention.profile(single(8192, 128), keys, keys, 1 / sqrt(128)).total_ns
    return gqa.grouped_attention.profile(single(8192, 128), keys, keys, 1 / sqrt(128), **LADDER[variant]).total_ns


@cache
def window_ns(sequence: int, keys_back: int) -> float:
    """One head of 64 with a causal mask; `keys_back` 0 looks at all earlier keys."""
    turned = half(64, sequence)
    return window.causal_attention.profile(turned, turned, half(sequence, 64), keys_back).total_ns


@cache
def five_steps(step: str) -> float:
    """us of the float32 product 4096 x 8192 x 8192 of the kernel optimisation guide."""
    made = {
        "tiled": matmul.matmul_tiled,
        "hoisted": matmul.matmul_hoisted,
        "blocked free": matmul.matmul_blocked_free,
        "blocked": matmul.matmul_blocked,
    }[step]
    blocks = (2048, 1024, 512) if step == "blocked" else ()
    return made.with_options(target="trn2").profile(single(8192, 4096), single(8192, 8192), *blocks).total_ns / 1000


@cache
def in_banks(sets: int) -> float:
    """us of the bfloat16 product 2048 x 2048 x 2048 with one or two sets of PSUM banks."""
    return banks.product_in_banks.profile(half(2048, 2048), half(2048, 2048), sets).total_ns / 1000


@cache
def gelu_us(kind: str, rows: int, depth: int, columns: int, together: bool = True) -> float:
    """us of gelu(x @ w + bias) as nki.benchmark counts them, with a launch for each kernel."""
    made = single if kind == "fp32" else half
    inputs = made(depth, rows), made(depth, columns), made(1, columns)
    launches = (1 if together else 2) * load("trn2")["launch.benchmark_ns"]
    return (gelu.gelu_product.profile(*inputs, together).total_ns + launches) / 1000


def _added(length: int, lanes: int, width: int, alone: bool, total: bool) -> float:
    """us of an addition with the launch that nki.benchmark, or a profile's total time, contains."""
    inputs = single(length), single(length)
    return (adding.add_in_static_chunks.profile(*inputs, lanes, width, alone).total_ns + _launch_ns(total)) / 1000


def _launch_ns(total: bool) -> float:
    launch = load("trn2")
    return launch["launch.preamble_ns"] + launch["launch.postamble_ns"] if total else launch["launch.benchmark_ns"]


def _square_load() -> float:
    """Time each DMA engine takes for its part of [128, 128] bfloat16."""
    made = Micro()
    made.move(made.tile(128, dtype=bfloat16), made.hbm(128, 128, dtype=bfloat16))
    row = made.run().lane("dma load")[0]
    return float(row["issue_end_ns"] - row["start_ns"])


MEASURES: Mapping[str, Callable[[], float]] = {
    "E-act-128x128": partial(micro.lone_exponential, 128, 128),
    "E-load-128x128": _square_load,
    "B-v2": partial(five_steps, "tiled"),
    "B-v3": partial(five_steps, "hoisted"),
    "B-v4": partial(five_steps, "blocked free"),
    "B-v5": partial(five_steps, "blocked"),
    "J-1bank": partial(in_banks, 1),
    "J-2banks": partial(in_banks, 2),
    "J-hand": lambda: banks.product_in_blocks.profile(half(2048, 2048), half(2048, 2048)).total_ns / 1000,
    "N-trn2-vadd-1": partial(_added, 25600, 1, 1, True, False),
    "N-trn2-vadd-128": partial(_added, 25600, 128, 1, True, False),
    "N-trn2-vadd-128x2": partial(_added, 25600, 128, 2, True, False),
    "N-trn2-vadd-128x200": partial(_added, 25600, 128, 200, False, False),
    "N-trn2-vadd-128x1000": partial(_added, 256000, 128, 1000, False, True),
    "N-trn2-vadd-128x2000": partial(_added, 256000, 128, 2000, False, True),
    "N-trn2-transpose": lambda: (
        (adding.transpose_in_tiles.profile(single(1024, 1024)).total_ns + _launch_ns(True)) / 1000
    ),
    **{
        f"F-mlp_{kind}_{rows}x{depth}x{columns}": partial(gelu_us, kind, rows, depth, columns)
        for kind in ("fp32", "bf16")
        for rows, depth, columns in ((128, 128, 512), (256, 512, 1024), (512, 1024, 2048))
    },
}
