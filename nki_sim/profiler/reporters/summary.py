"""The summary: total time, the bottleneck, engines, metrics with their definitions, memory high-water marks."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.metrics import DEFINITIONS
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.words import bytes_text, percent, time_text


def render(profile: Profile) -> Iterator[RenderableType]:
    """Renderables from top to bottom."""
    head = Text()
    head.append(profile.program.name, style="bold")
    head.append(f" on {profile.target.name}: ")
    head.append(time_text(profile.total_ns), style="bold")
    head.append(f"  (+ {time_text(profile.launch_ns)} launch, not counted below)")
    yield head
    yield Text(profile.bottleneck, style="yellow")
    yield ""
    yield _engines(profile)
    yield ""
    yield _metrics(profile)


def _engines(profile: Profile) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("engine")
    table.add_column("busy", justify="right")
    table.add_column("share", justify="right")
    table.add_column("instructions", justify="right")
    for name, use in profile.engines.items():
        table.add_row(name, time_text(use.busy_ns), percent(use.active_ratio), f"{use.instructions:,}")
    return table


def _metrics(profile: Profile) -> Table:
    found = profile.metrics
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    table.add_row("MFU", percent(found.mfu_ratio), DEFINITIONS["mfu_ratio"])
    table.add_row("MBU", percent(found.mbu_ratio), DEFINITIONS["mbu_ratio"])
    transfers = f"{found.dma_transfers:,} transfers, {bytes_text(found.mean_transfer_bytes)} each"
    table.add_row(
        "DMA", bytes_text(found.dma_bytes), f"{transfers} in runs of {bytes_text(found.mean_descriptor_bytes)}"
    )
    traffic = f"{bytes_text(found.hbm_read_bytes)} read, {bytes_text(found.hbm_write_bytes)} written"
    table.add_row("HBM", bytes_text(found.hbm_read_bytes + found.hbm_write_bytes), traffic)
    if found.slow_clock_ns:
        table.add_row("cold clock", time_text(found.slow_clock_ns), DEFINITIONS["slow_clock_ns"])
    if found.transpose_ratio:
        table.add_row("transposes", percent(found.transpose_ratio), "of the time the Tensor engine streams")
    for space, use in profile.memory.items():
        share = percent(use.peak_bytes / use.capacity_bytes)
        peak = f"{share} of {bytes_text(use.capacity_bytes)} per partition at the peak"
        table.add_row(space.upper(), bytes_text(use.peak_bytes), peak)
    return table
