"""The summary: total time, the bottleneck, engines beside the metrics that matter most; and all with definitions."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.metrics import DEFINITIONS, EXPLORER_NAMES
from nki_sim.profiler.profile import EngineUse, Profile
from nki_sim.profiler.words import bytes_text, percent, time_text


def render(profile: Profile, width: int) -> Iterator[RenderableType]:
    """Renderables from top to bottom."""
    head = Text()
    head.append(profile.program.name, style="bold")
    head.append(f" on {profile.target.name}: ")
    head.append(time_text(profile.total_ns), style="bold")
    head.append(f"  (+ {time_text(profile.launch_ns)} launch, not counted below)")
    yield head
    yield Text(profile.bottleneck, style="yellow")
    yield ""
    yield _overview(profile)


def _overview(profile: Profile) -> Table:
    """Engines on the left, metrics on the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, left in (("engine", True), ("busy", False), ("share", False), ("executed", False)):
        table.add_column(title, justify="left" if left else "right", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    engines = [
        (name, time_text(use.busy_ns), percent(use.active_ratio), _executed(name, use))
        for name, use in profile.engines.items()
    ]
    metrics = _short(profile)
    for number in range(max(len(engines), len(metrics))):
        engine = engines[number] if number < len(engines) else ("", "", "", "")
        metric = metrics[number] if number < len(metrics) else ("", "")
        table.add_row(*engine, metric[0], metric[1])
    return table


def _executed(name: str, use: EngineUse) -> str:
    if name != "dma":
        return use.executed("trigger")
    return f"{use.instructions:,} transfer{'' if use.instructions == 1 else 's'}"


def _short(profile: Profile) -> list[tuple[str, str]]:
    """The metrics of the short report; what does not apply is left out."""
    found = profile.metrics
    rows = []
    if found.hardware_flops:
        both = f"{percent(found.mfu_ratio)}, {percent(found.hfu_ratio)}"
        rows.append(("MFU, HFU", both))
        rows.append(("FLOPs per HBM byte", f"{found.arithmetic_intensity_flops_per_byte:.3g}"))
    else:
        rows.append(("MFU", percent(found.mfu_ratio)))
    rows.append(("MBU", percent(found.mbu_ratio)))
    rows.append(("HBM read, written", f"{bytes_text(found.hbm_read_bytes)}, {bytes_text(found.hbm_write_bytes)}"))
    rows.append(
        ("DMA transfer, row", f"{bytes_text(found.mean_transfer_bytes)}, {bytes_text(found.mean_descriptor_bytes)}")
    )
    if found.slow_clock_ns:
        rows.append(("lost to cold clock", time_text(found.slow_clock_ns)))
    elif found.transpose_ratio:
        rows.append(("tensor: transposes", percent(found.transpose_ratio)))
    if profile.memory:
        shares = [percent(use.peak_bytes / use.capacity_bytes) for use in profile.memory.values()]
        rows.append((f"{', '.join(space.upper() for space in profile.memory)} peak", ", ".join(shares)))
    return rows


def definitions(profile: Profile, width: int) -> Iterator[RenderableType]:
    """Every metric: our name or Neuron Explorer's, the value, the definition."""
    yield Text("Metrics, under Neuron Explorer's names where it has them", style="bold")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for name, definition in DEFINITIONS.items():
        table.add_row(EXPLORER_NAMES.get(name, _plain(name)), _value(name, getattr(profile.metrics, name)), definition)
    for name, use in profile.engines.items():
        if name not in ("tensor", "dma"):
            meaning = f"time in which the {name} engine works on an instruction or trigger / total time"
            table.add_row(f"{name}_engine_active_time_percent", percent(use.active_ratio), meaning)
    for space, memory in profile.memory.items():
        meaning = (
            f"{percent(memory.peak_bytes / memory.capacity_bytes)} of {bytes_text(memory.capacity_bytes)} per partition"
        )
        table.add_row(f"{space} peak", bytes_text(memory.peak_bytes), meaning)
    yield table


_ENDINGS = ("_ratio", "_ns", "_bytes")


def _plain(name: str) -> str:
    """A name without its unit, which its value shows."""
    return next((name[: -len(ending)] for ending in _ENDINGS if name.endswith(ending)), name)


def _value(name: str, value: float) -> str:
    if name.endswith("_ratio"):
        return percent(value)
    if name.endswith("_ns"):
        return time_text(value)
    if name.endswith("_per_byte"):
        return f"{value:.3g}"
    if name.endswith("_bytes"):
        return bytes_text(value)
    return f"{value:,.0f}"
