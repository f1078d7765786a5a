"""The roofline: the rate a kernel's arithmetic intensity allows, and the rate it reached.

Sources: peak_flops_bandwidth_ratio and mfu_max_achievable_estimated_percent of Neuron Explorer's profile schema
(profile-schema-reference.rst); peaks from the target.
"""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.profiler.metrics import Metrics
from nki_sim.timing.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """Rates in TFLOP/s (1000 FLOP per ns), intensities in model FLOPs per byte of HBM traffic.

    peak_tflops             of the Tensor engine in bfloat16
    used_peak_tflops        the same for the mix of types the kernel's matmuls use
    ridge_flops_per_byte    intensity at which peak and bandwidth allow the same
    intensity_flops_per_byte, achieved_tflops     of this run; 0 without matmuls
    allowed_tflops          what the bandwidth allows at this intensity, at most the used peak
    """

    peak_tflops: float
    used_peak_tflops: float
    hbm_bytes_per_ns: float
    ridge_flops_per_byte: float
    intensity_flops_per_byte: float
    achieved_tflops: float
    allowed_tflops: float

    @property
    def memory_bound(self) -> bool:
        """Whether bandwidth, not arithmetic, sets the limit at this intensity."""
        return self.intensity_flops_per_byte < self.ridge_flops_per_byte

    @property
    def reached_ratio(self) -> float:
        """Share of the allowed rate that was reached."""
        return self.achieved_tflops / self.allowed_tflops if self.allowed_tflops else 0.0


def roofline(timeline: Timeline, metrics: Metrics) -> Roofline:
    """The roofline of a run."""
    target = timeline.target
    peak, bandwidth = target["tensor.peak_bf16_tflops"], target["hbm.bandwidth_bytes_per_ns"]
    # Types slower than bfloat16 lower the roof by as much as they multiply the work.
    useful = metrics.hardware_flops - metrics.transpose_flops
    adjusted = metrics.adjusted_hardware_flops - metrics.adjusted_transpose_flops
    used = peak * useful / adjusted if adjusted else peak
    intensity = metrics.arithmetic_intensity_flops_per_byte
    achieved = metrics.model_flops / timeline.total_ns / 1e3 if timeline.total_ns else 0.0
    # Nothing moved: arithmetic alone is the limit.
    moved = metrics.hbm_read_bytes + metrics.hbm_write_bytes
    allowed = min(used, intensity * bandwidth / 1e3) if moved else used
    return Roofline(
        peak_tflops=peak,
        used_peak_tflops=used,
        hbm_bytes_per_ns=bandwidth,
        ridge_flops_per_byte=used * 1e3 / bandwidth,
        intensity_flops_per_byte=intensity,
        achieved_tflops=achieved,
        allowed_tflops=allowed if metrics.model_flops else 0.0,
    )
