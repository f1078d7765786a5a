"""The roofline as a plot of characters, both axes logarithmic, and its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from math import log10

from rich.console import RenderableType
from rich.text import Text

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.words import percent

_LABEL = 8
_ROWS = 9
_MOST_CELLS = 72


def render(profile: Profile, width: int) -> Iterator[RenderableType]:
    """Plot and numbers; one sentence for kernels without matmuls."""
    found = profile.roofline
    if not found.achieved_tflops:
        yield Text("Roofline: no matmul FLOPs; what is left of it is the MBU above", style="dim")
        return
    yield Text("Roofline: TFLOP/s against model FLOPs per byte of HBM traffic", style="bold")
    cells = max(20, min(width - _LABEL - 2, _MOST_CELLS))
    low_x = min(1.0, found.intensity_flops_per_byte / 2)
    high_x = max(found.ridge_flops_per_byte * 10, found.intensity_flops_per_byte * 2)
    high_y = found.used_peak_tflops
    low_y = min(high_y / 1000, found.achieved_tflops / 2)
    span_x, span_y = log10(high_x / low_x), log10(high_y / low_y)

    def column(intensity: float) -> int:
        return min(cells - 1, max(0, round(log10(max(intensity, low_x) / low_x) / span_x * (cells - 1))))

    def row(rate: float) -> int:
        return min(_ROWS - 1, max(0, round(log10(high_y / min(high_y, max(rate, low_y))) / span_y * (_ROWS - 1))))

    plot = [[" "] * cells for _ in range(_ROWS)]
    for cell in range(cells):
        intensity = low_x * 10 ** (span_x * cell / (cells - 1))
        allowed = min(high_y, intensity * found.hbm_bytes_per_ns / 1e3)
        if allowed >= low_y:
            plot[row(allowed)][cell] = "─" if intensity >= found.ridge_flops_per_byte else "╱"
    here = column(found.intensity_flops_per_byte)
    for between in range(row(found.allowed_tflops) + 1, row(found.achieved_tflops)):
        plot[between][here] = "┊"
    plot[row(found.achieved_tflops)][here] = "●"
    for number, line in enumerate(plot):
        rate = high_y / 10 ** (span_y * number / (_ROWS - 1))
        text = Text(f"{rate:>{_LABEL - 1}.3g} │", no_wrap=True, overflow="crop")
        for character in line:
            text.append(character, style="bold yellow" if character == "●" else "cyan")
        yield text
    yield Text(" " * _LABEL + "└" + _axis(low_x, high_x, cells), style="dim", no_wrap=True, overflow="crop")
    side = "memory" if found.memory_bound else "arithmetic"
    yield Text(
        f"● {found.achieved_tflops:.3g} TFLOP/s at {found.intensity_flops_per_byte:.3g} FLOPs per byte, "
        f"{percent(found.reached_ratio)} of the {found.allowed_tflops:.3g} allowed there; bound by {side} "
        f"(ridge at {found.ridge_flops_per_byte:.3g}), peak {found.used_peak_tflops:.3g} for the types in use, "
        f"{found.peak_tflops:.3g} in bfloat16"
    )


def _axis(low: float, high: float, cells: int) -> str:
    left, right = f"{low:.3g}", f"{high:.3g} FLOPs per byte"
    return left + " " * max(1, cells - len(left) - len(right)) + right
