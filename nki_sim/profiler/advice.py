"""Advice: what would make a kernel faster, and by how much, each figure from a replay of the changed program.

A what-if changes the program as its writer would, places its tensors again and simulates it. The gain is the difference
of two simulated times and nothing else; changes that gain less than 1 % are not mentioned. Nothing is offered when the
unchanged program cannot be replayed (loops whose trip count only the data decide, unless it is given).

Non-goals: changes of the algorithm; changes that the checks could not prove harmless. Each replay stands alone: two
pieces of advice taken together need not gain the sum of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nki_sim.memory.allocate import allocate
from nki_sim.profiler.whatif import Change
from nki_sim.profiler.whatif_buffers import more_buffers, spread_triggers
from nki_sim.profiler.whatif_compute import INPUTS, TILES, bfloat16_operands, other_engines
from nki_sim.profiler.whatif_transfers import hoisted_loads, merged_transfers
from nki_sim.profiler.words import percent, time_text
from nki_sim.program.ir import Item, Loop, Program
from nki_sim.program.spans import SourceSpan
from nki_sim.timing import Schedule, TripCountError, simulate
from nki_sim.timing.timeline import Timeline

WHAT_IFS: tuple[Callable[[Timeline], Iterator[Change]], ...] = (
    hoisted_loads,
    merged_transfers,
    bfloat16_operands,
    more_buffers,
    spread_triggers,
    other_engines,
)

LEAST_GAIN_RATIO = 0.01
_SAME_NS = 1e-3
# All replays of one profile together: some ten seconds.
BUDGET_INSTRUCTIONS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """How the profiled run was simulated, for replays: see timing.simulate."""

    trips: Mapping[int, int] | None = None
    schedule: Schedule = "program"


_PLAIN = Simulated()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Advice:
    """One change and what replaying it gains.

    code                  "hoist", "merge", "bfloat16", "buffer", "queue" or "engine"
    gain_ns, gain_ratio   simulated time saved, and its share of the time now
    total_ns              simulated time with the change
    lines                 where to make it; `how` says what to write
    replay                what was replayed, with both times
    program               the changed program
    """

    code: str
    title: str
    gain_ns: float
    gain_ratio: float
    total_ns: float
    lines: tuple[SourceSpan, ...]
    how: str
    replay: str
    program: Program = field(repr=False)


def advise(
    timeline: Timeline, simulated: Simulated = _PLAIN, *, budget_instructions: int = BUDGET_INSTRUCTIONS
) -> list[Advice]:
    """Advice by gain, most first; of several variants of one change the best."""
    now = timeline.total_ns
    if now <= 0.0:
        return []
    best: dict[str, Advice] = {}
    left = budget_instructions
    for what_if in WHAT_IFS:
        for change in what_if(timeline):
            left -= int(timeline.counts.sum())
            if left < 0:
                return _sorted(best)
            then = replay(change.program, timeline, simulated)
            if then is None or now - then < LEAST_GAIN_RATIO * now:
                continue
            known = best.get(change.choice)
            if known is None or then < known.total_ns - _SAME_NS:
                best[change.choice] = _advice(change, now, then)
    return _sorted(best)


def _sorted(best: dict[str, Advice]) -> list[Advice]:
    """By gain, without those that ask for more than another and hardly gain more."""
    tiles, inputs = best.get(TILES), best.get(INPUTS)
    if tiles and inputs and inputs.gain_ratio < tiles.gain_ratio + LEAST_GAIN_RATIO:
        # Asking the caller for other inputs has to be worth it.
        del best[INPUTS]
    kept = [one for one in best.values() if not any(_enough(other, one) for other in best.values())]
    return sorted(kept, key=lambda one: (-one.gain_ns, one.title))


def _enough(small: Advice, large: Advice) -> bool:
    """Whether `small` is the same kind of change at fewer lines and gains nearly as much."""
    return (
        small.code == large.code
        and set(small.lines) < set(large.lines)
        and large.gain_ratio < small.gain_ratio + LEAST_GAIN_RATIO
    )


def _advice(change: Change, now: float, then: float) -> Advice:
    gain = now - then
    return Advice(
        code=change.code,
        title=change.title,
        gain_ns=gain,
        gain_ratio=gain / now,
        total_ns=then,
        lines=change.lines,
        how=change.how,
        replay=f"{change.replay}: {time_text(now)} -> {time_text(then)} ({percent(gain / now)} less)",
        program=change.program,
    )


def replay(program: Program, timeline: Timeline, simulated: Simulated = _PLAIN) -> float | None:
    """Simulated time of `program`, placed anew, on the target of `timeline`; None when it does not fit or run."""
    target = timeline.target
    allocation = allocate(program, target)
    if allocation.diagnostics:
        return None
    trips = None
    if simulated.trips is not None:
        # A changed program has the same loops in the same order, as other objects.
        pairs = zip(_loops(timeline.program.body), _loops(program.body), strict=True)
        trips = {id(new): simulated.trips[id(old)] for old, new in pairs if id(old) in simulated.trips}
    try:
        return simulate(program, allocation.placement, target, trips=trips, schedule=simulated.schedule).total_ns
    except TripCountError:
        return None


def _loops(body: Sequence[Item]) -> Iterator[Loop]:
    for item in body:
        if isinstance(item, Loop):
            yield item
            yield from _loops(item.body)


def reproduces(timeline: Timeline, simulated: Simulated = _PLAIN) -> bool:
    """Whether replaying the unchanged program gives the time that was profiled; without that no gain means anything."""
    again = replay(timeline.program, timeline, simulated)
    return again is not None and abs(again - timeline.total_ns) <= _SAME_NS


__all__: Sequence[str] = ("Advice", "Simulated", "advise", "replay", "reproduces")
