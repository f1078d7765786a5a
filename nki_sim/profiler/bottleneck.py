"""The dominant bottleneck of a run, in one sentence with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nki_sim.profiler.metrics import Metrics, Reload
from nki_sim.profiler.stalls import Stall
from nki_sim.profiler.triggers import queue_ns
from nki_sim.profiler.words import bytes_text, percent, times_text
from nki_sim.timing.timeline import Timeline

if TYPE_CHECKING:
    from nki_sim.profiler.profile import EngineUse

# Below this share of the time nobody can be called busy, and what the engines waited for is the answer.
_BUSY_ENOUGH = 0.5
_SMALL_DESCRIPTOR_BYTES = 2048
_NAMES = {"gpsimd": "GpSimd"}


def describe(
    timeline: Timeline,
    engines: Mapping[str, EngineUse],
    metrics: Metrics,
    reload: Sequence[Reload],
    stalls: Sequence[Stall],
) -> str:
    """One sentence: who is busiest and why, or what everybody waits for."""
    if timeline.total_ns <= 0.0:
        return "nothing was executed"
    triggers = _trigger_ratio(timeline)
    name, share = max(((name, use.active_ratio) for name, use in engines.items()), key=lambda pair: pair[1])
    if triggers >= _BUSY_ENOUGH and triggers >= 0.9 * share:
        return (
            f"bound by DMA triggers: {metrics.dma_transfers:,} transfers of {bytes_text(metrics.mean_transfer_bytes)} "
            f"keep a queue busy {percent(triggers)} of the time; move more bytes in each" + _again(reload)
        )
    if share < _BUSY_ENOUGH:
        return _waiting(name, share, engines, stalls, reload)
    if name == "dma":
        return _moving(metrics, share, reload)
    text = f"{_NAMES.get(name, name.capitalize())} engine busy {percent(share)}"
    if name != "tensor":
        text += _most_of_it(timeline, name)
    else:
        slow = metrics.slow_clock_ns / timeline.total_ns
        if slow > 0.1:
            text += f", of which {percent(slow)} of the time for a clock not yet warm"
        elif metrics.transpose_ratio > 0.25:
            text += f", {percent(metrics.transpose_ratio)} of it transposing"
    return text


def _moving(metrics: Metrics, share: float, reload: Sequence[Reload]) -> str:
    text = f"DMA-bound: {bytes_text(metrics.dma_bytes)} moved, DMA engines busy {percent(share)}"
    if metrics.mean_descriptor_bytes < _SMALL_DESCRIPTOR_BYTES:
        text += f", in runs of {bytes_text(metrics.mean_descriptor_bytes)} where 2 KiB or more would use them fully"
    return text + _again(reload)


def _waiting(
    name: str, share: float, engines: Mapping[str, EngineUse], stalls: Sequence[Stall], reload: Sequence[Reload]
) -> str:
    text = f"no engine is busy more than {percent(share)} of the time ({name})"
    if not stalls:
        return text
    # What holds up the engine with the most to do matters; the others are idle because it is.
    busiest = max((one.engine for one in stalls), key=lambda engine: engines[engine].busy_ns)
    worst = next(one for one in stalls if one.engine == busiest)
    text += f"; the {busiest} engine waits longest {worst.reason}"
    return text + (_again(reload) if worst.cause.startswith("dma") else "")


def _most_of_it(timeline: Timeline, engine: str) -> str:
    """The instruction that takes most of an engine's time."""
    rows = timeline.lane(engine)
    took: dict[str, float] = {}
    lengths = (rows["issue_end_ns"] - rows["start_ns"]).tolist()
    for number, length in zip(rows["instruction"].tolist(), lengths, strict=True):
        op = timeline.instructions[number].op
        took[op] = took.get(op, 0.0) + length
    op = max(took, key=took.__getitem__)
    return f", {percent(took[op] / sum(took.values()))} of it in {op}"


def _again(reload: Sequence[Reload]) -> str:
    """What is read more than once, if anything."""
    repeated = [one for one in reload if one.times >= 1.5]
    if not repeated:
        return ""
    parts = [f"{one.tensor.name or f'%{one.tensor.index}'} is loaded {times_text(one.times)}" for one in repeated[:2]]
    return "; " + " and ".join(parts)


def _trigger_ratio(timeline: Timeline) -> float:
    """Share of the time the busiest queue spends on triggers; waiting for room in it is the transfers' doing."""
    return max(queue_ns(timeline)) / timeline.total_ns
