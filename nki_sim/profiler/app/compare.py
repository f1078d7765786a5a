"""The summary pane: one run's metrics, or two runs side by side with the difference: totals, lanes, waits, lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.text import columns, wrap
from nki_sim.profiler.words import bytes_text, percent, place_text, time_text
from nki_sim.timing.lanes import STALLS

_LINES = 15
_KEY_CELLS = 44

Write = Callable[[float], str]


def summary_pane(state: State, width: int) -> Content:
    """Of one run its bottleneck and metrics; of two, what differs."""
    return _one(state.runs[0], width) if len(state.runs) == 1 else _two(state.runs[0], state.runs[1], width)


def _one(run: Run, width: int) -> Content:
    found = Content()
    profile = run.profile
    metrics = profile.metrics
    found.add(f"{run.title}: {time_text(run.total_ns)} (+ {time_text(profile.launch_ns)} launch)", "bold")
    found.lines += wrap(profile.bottleneck, width)
    rows = [("engine", "busy", "share", "instructions")]
    for name, use in profile.engines.items():
        rows.append((name, time_text(use.busy_ns), percent(use.active_ratio), f"{use.instructions:,}"))
    table = columns(rows, right=(1, 2, 3))
    found.add(table[0], "dim")
    for text in table[1:]:
        found.add(text)
    found.add(f"MFU {percent(metrics.mfu_ratio)}, MBU {percent(metrics.mbu_ratio)}, "
              f"{metrics.arithmetic_intensity_flops_per_byte:.4g} FLOP per byte of HBM")  # fmt: skip
    found.add(
        f"HBM {bytes_text(metrics.hbm_read_bytes)} read, {bytes_text(metrics.hbm_write_bytes)} written; "
        f"{metrics.dma_transfers:,} transfers of {bytes_text(metrics.mean_transfer_bytes)}"
    )
    found.head("longest stalls")
    stalls = [
        ("  " + time_text(one.total_ns), f"{one.count:,} x", one.engine, place_text(one.span), f"{one.op} {one.reason}")
        for one in profile.stalls[:_LINES]
    ]
    for text in columns(stalls, right=(0, 1)):
        found.add(text)
    return found


def _two(a: Run, b: Run, width: int) -> Content:
    found = Content()
    for run in (a, b):
        found.add(f"{run.name}: {run.title}, {time_text(run.total_ns)}", "bold")
    found.add(verdict(a, b), "bold")
    _section(found, "busy by lane", _busy(a), _busy(b), a, b)
    _section(found, "waiting by cause", _waits(a), _waits(b), a, b)
    _section(found, "bytes", _bytes(a), _bytes(b), a, b, in_bytes=True)
    _section(found, "time by line, on its busiest lane", _lines(a), _lines(b), a, b, limit=_LINES)
    return found


def verdict(a: Run, b: Run) -> str:
    """``B takes 1.52 times as long as A, 28.1 µs more``."""
    if not a.total_ns or not b.total_ns or abs(a.total_ns - b.total_ns) < 0.5:
        return f"{b.name} takes as long as {a.name}"
    slow, fast = (b, a) if b.total_ns > a.total_ns else (a, b)
    more = time_text(slow.total_ns - fast.total_ns)
    return f"{slow.name} takes {slow.total_ns / fast.total_ns:.3g} times as long as {fast.name}, {more} more"


def _section(
    found: Content,
    title: str,
    left: Mapping[str, float],
    right: Mapping[str, float],
    a: Run,
    b: Run,
    *,
    limit: int | None = None,
    in_bytes: bool = False,
) -> None:
    """One table: a row per name of either side, those that differ most first when they are limited."""
    names = list(dict.fromkeys([*left, *right]))
    if limit is not None:
        names = sorted(names, key=lambda name: -abs(right.get(name, 0.0) - left.get(name, 0.0)))[:limit]
    write: Write = bytes_text if in_bytes else time_text
    rows = [("", a.name, b.name, f"{b.name} - {a.name}")]
    for name in names:
        one, other = left.get(name, 0.0), right.get(name, 0.0)
        rows.append((f"  {name}", _cell(one, write), _cell(other, write), signed(other - one, write)))
    found.head(title)
    table = columns(rows, right=(1, 2, 3))
    found.add(table[0], "dim")
    for text in table[1:]:
        found.add(text)


def _cell(value: float, write: Write) -> str:
    return "-" if not value else write(value)


def signed(value: float, write: Write) -> str:
    """With a sign, "=" for no difference."""
    if abs(value) < 0.5:
        return "="
    return ("+" if value > 0 else "-") + write(abs(value))


def _busy(run: Run) -> dict[str, float]:
    return {lane.name: lane.track.union.between(0.0, run.total_ns + 1.0) for lane in run.lanes}


def _waits(run: Run) -> dict[str, float]:
    total: dict[str, float] = {}
    for lane in run.lanes:
        if lane.is_queue:
            continue
        sums = lane.by_cause.within(0, len(lane.rows))
        for cause, value in zip(STALLS, sums.tolist(), strict=True):
            if value > 0:
                total[cause] = total.get(cause, 0.0) + value
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))


def _bytes(run: Run) -> dict[str, float]:
    metrics = run.profile.metrics
    return {"read from HBM": metrics.hbm_read_bytes, "written to HBM": metrics.hbm_write_bytes}


def _lines(run: Run) -> dict[str, float]:
    found: dict[str, float] = {}
    for use in run.profile.lines:
        text = use.span.text.strip() if use.span is not None else ""
        key = f"{place_text(use.span)}  {text}"[:_KEY_CELLS].rstrip()
        found[key] = found.get(key, 0.0) + use.longest_ns
    return found
