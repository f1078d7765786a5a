"""Relative claims: what is published to be slower than what, by which factor, and whether the model agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.fidelity import micro, whole
from benchmarks.fidelity.building import Micro, duration_ns, interval_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`slow` takes `published` times as long as the other; a factor of about 1 is a claim of no difference."""

    what: str
    published: float
    source: str
    ratio: Callable[[], float] | None
    note: str = ""

    @property
    def is_equality(self) -> bool:
        return abs(self.published - 1.0) < 0.02

    def agrees(self, simulated: float) -> bool:
        """The same order; for a claim of no difference, within 2 %."""
        if self.is_equality:
            return abs(simulated - 1.0) < 0.02
        return (simulated > 1.0) == (self.published > 1.0)


def _measure(name: str) -> float:
    return micro.MEASURES[name]()


def _partitions() -> float:
    def time(partitions: int) -> float:
        made = Micro("trn1")
        one, other, total = (made.tile(8192, partitions=partitions) for _ in range(3))
        made.add(total, one, other)
        return duration_ns(made.run().lane("vector"))

    return time(128) / time(64)


def _psum_source() -> float:
    """Time per element of tensor_scalar from PSUM over that from SBUF."""

    def slope(space: str) -> float:
        times = []
        for columns in (256, 512):
            made = Micro()
            for _ in range(4):
                made.scale(made.tile(columns), made.tile(columns, space=space), made.tile(1))
            times.append(interval_ns(made.run().lane("vector")))
        return times[1] - times[0]

    return slope("psum") / slope("sbuf")


def _merged_loads() -> float:
    """Six loads of 393 KB over one of 2.36 MB, each kernel alone, ten times over, on trn3."""

    def time(pieces: int) -> float:
        made = Micro("trn3")
        for _ in range(10):
            for _ in range(pieces):
                made.move(made.tile(4608 // pieces), made.hbm(128, 4608 // pieces), "hwdge")
        return made.run().total_ns

    return time(6) / time(1)


CLAIMS: Sequence[Claim] = (
    Claim(
        what="trn1 product: tiled over left loads hoisted",
        published=1.21,
        source="A-*",
        ratio=lambda: whole.five_steps("tiled") / whole.five_steps("hoisted"),
    ),
    Claim(
        what="trn1 product: hoisted over free dimensions blocked",
        published=1.95,
        source="A-*",
        ratio=lambda: whole.five_steps("hoisted") / whole.five_steps("blocked free"),
    ),
    Claim(
        what="trn1 product: free dimensions blocked over all blocked",
        published=3.17,
        source="A-*",
        ratio=lambda: whole.five_steps("blocked free") / whole.five_steps("blocked"),
        note="1.70 under a later compiler (A3-2 over A3-5)",
    ),
    Claim(
        what="fp32 over bf16 nc_matmul",
        published=4.0,
        source="M-pe-*",
        ratio=lambda: 2 * _measure("M-pe-fp32-512/interval") / _measure("M-pe-bf16-512/interval"),
    ),
    Claim(
        what="cold over warm Tensor Engine",
        published=2.0,
        source="M-pe-throttle",
        ratio=lambda: _measure("M-pe-bf16-512/half-interval") / _measure("M-pe-bf16-512/interval"),
    ),
    Claim(what="attention through HBM over one pass, fp32, sequence 512", published=43.02 / 22.728, source="F-*",
          ratio=lambda: whole.MEASURES["F-baseline_fp32_s512/source"]() / whole.MEASURES["F-fused_fp32_s512/source"]()),
    Claim(what="attention through HBM over one pass, bf16, sequence 512", published=38.679 / 20.558, source="F-*",
          ratio=lambda: whole.MEASURES["F-baseline_bf16_s512/source"]() / whole.MEASURES["F-fused_bf16_s512/source"]()),
    Claim(
        what="Mamba v1 over v2, 4096 channels",
        published=1.45,
        source="D-*",
        ratio=whole.mamba_ratio,
        note="the measured v1 spends 0.8 Vector instructions more per step than its source has",
    ),
    Claim(what="tensor_tensor with 128 over 64 partitions", published=1.0, source="P-tt-8192", ratio=_partitions),
    Claim(what="fp32 tensor_scalar from PSUM over SBUF, per element", published=2.0, source="M-dve-ts-*",
          ratio=_psum_source),
    Claim(
        what="DMA throughput, rows of 2 KiB over 512 B",
        published=4.0,
        source="E-curve",
        ratio=lambda: _measure("E-curve/2048") / _measure("E-curve/512"),
    ),
    Claim(
        what="one-token MLP with twice the weights",
        published=1.90,
        source="K-tkg3, K-tkg4",
        ratio=lambda: whole.decode_ns(832) / whole.decode_ns(416),
    ),
    Claim(
        what="six loads of 393 KB over one of 2.36 MB, kernel alone (trn3)",
        published=107.1 / 108.5,
        source="O-moe-dma",
        ratio=_merged_loads,
    ),
    Claim(what="RMSNorm before the MLP, prefill", published=1.33, source="K-cte3, K-cte4", ratio=None,
          note="nki-library's mlp_cte; see K-cte3"),
    Claim(what="full causal attention over a window of 128, 16K", published=3.6, source="K-att7, K-att8", ratio=None,
          note="two cores (LNC 2)"),
    Claim(what="gqa ladder of hand variants", published=15.58 / 4.311, source="I-gqa_full", ratio=None,
          note="nine variants of one kernel, absolute times known to be wrong"),
    Claim(what="layernorm v1 over v2", published=1.17, source="G-*", ratio=None, note="shape not published"),
)  # fmt: skip
