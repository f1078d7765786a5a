"""Advice: what would make a kernel faster, and by how much, each figure from a replay of the changed program.

A what-if changes the program as its writer would, places its tensors again and simulates it. The gain is the difference
of two simulated times and nothing else; changes that gain less than 1 % are not advised. Nothing is offered when the
unchanged program cannot be replayed (loops whose trip count only the data decide, unless it is given).

Replays cost time, so they have a budget, in instructions: the answer is the same on every machine. Working out what to
try counts as one replay; a program that leaves no room for another gets no advice. Changes that an engine's work alone
keeps from gaining anything are not replayed; the others come in the order of what they could gain at most. What was not
replayed, or did not gain, is said too.

Non-goals: changes of the algorithm; changes that the checks could not prove harmless. Each replay stands alone: two
pieces of advice taken together need not gain the sum of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nki_sim.memory.allocate import Allocation, allocate
from nki_sim.profiler.floors import floors, least
from nki_sim.profiler.whatif import Change, NotTried, Subject
from nki_sim.profiler.whatif_buffers import more_buffers, spread_triggers
from nki_sim.profiler.whatif_compute import INPUTS, TILES, bfloat16_operands, other_engines
from nki_sim.profiler.whatif_loops import invariant_loads, unrolled_loops
from nki_sim.profiler.whatif_transfers import hoisted_loads, merged_transfers
from nki_sim.profiler.words import percent, time_text
from nki_sim.program.collection import no_collection
from nki_sim.program.ir import Item, Loop, Program
from nki_sim.program.spans import SourceSpan
from nki_sim.timing import Placement, Schedule, TripCountError, simulate
from nki_sim.timing.timeline import Timeline

WHAT_IFS: tuple[Callable[[Subject], Iterator[Change | NotTried]], ...] = (
    hoisted_loads,
    merged_transfers,
    bfloat16_operands,
    more_buffers,
    spread_triggers,
    other_engines,
    invariant_loads,
    unrolled_loops,
)

LEAST_GAIN_RATIO = 0.01
_SAME_NS = 1e-3
BUDGET_INSTRUCTIONS = 400_000
"""Instructions looked at for one profile, all replays together: about six seconds of one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """How the profiled run was simulated, for replays: see timing.simulate."""

    trips: Mapping[int, int] | None = None
    schedule: Schedule = "program"


_PLAIN = Simulated()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Advice:
    """One change and what replaying it gains.

    code                  "hoist", "merge", "bfloat16", "buffer", "queue", "engine" or "unroll"
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


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Advised:
    """`found` by gain, most first; `rejected`: the other changes that were thought of, and why each is no advice."""

    found: Sequence[Advice] = ()
    rejected: Sequence[NotTried] = ()


def advise(
    timeline: Timeline,
    simulated: Simulated = _PLAIN,
    *,
    placement: Placement | None = None,
    budget_instructions: int = BUDGET_INSTRUCTIONS,
) -> Advised:
    """Advice on a run; of several variants of one change the best. `placement` is where its tensors lie."""
    if timeline.total_ns <= 0.0:
        return Advised()
    with no_collection():
        return _Adviser(timeline, simulated, placement, budget_instructions).run()


class _Adviser:
    """One search: `best` by choice, `rejected` by title."""

    def __init__(self, timeline: Timeline, simulated: Simulated, placement: Placement | None, budget: int) -> None:
        self.timeline = timeline
        self.simulated = simulated
        self.placement = placement
        self.left = budget
        self.budget = budget
        self.now = timeline.total_ns
        self.best: dict[str, Advice] = {}
        self.rejected: dict[str, NotTried] = {}
        self.too_large: dict[str, int] = {}

    def run(self) -> Advised:
        size = int(self.timeline.counts.sum())
        self.left -= size
        if size > self.left:
            why = f"not replayed: {size:,} instructions; up to {self.budget // 2:,} are replayed"
            return Advised(rejected=[NotTried(title="changes of a program of this size", why=why)])
        subject = Subject(self.timeline)
        needed = floors(self.timeline, hoisting=self.simulated.schedule == "hoisting")
        worth: list[tuple[float, Change]] = []
        for what_if in WHAT_IFS:
            for change in what_if(subject):
                if isinstance(change, NotTried):
                    self.rejected.setdefault(change.title, change)
                    continue
                least_ns, whose = least(needed, change.eases)
                if self.now - least_ns < LEAST_GAIN_RATIO * self.now:
                    self._reject(change, _bound(whose, least_ns))
                else:
                    worth.append((least_ns, change))
        # Those that could gain most first, each choice's first variant before the second of any.
        turns: dict[str, int] = {}
        order = []
        for least_ns, change in worth:
            turn = turns[change.choice] = turns.get(change.choice, -1) + 1
            order.append((turn, least_ns, change))
        for _, _, change in sorted(order, key=lambda one: one[:2]):
            self._try(change)
        rejected = [one for choice, one in self.rejected.items() if choice not in self.best]
        return Advised(found=_sorted(self.best), rejected=rejected)

    def _try(self, change: Change) -> None:
        if change.room >= self.too_large.get(change.choice, change.room + 1):
            return
        size = int(self.timeline.counts.sum())
        if size > self.left:
            why = f"not replayed: with it, the replays would exceed {self.budget:,} instructions"
            # Whether or not another variant is advised.
            self._reject(change, why, f"{change.choice}: {change.title}")
            return
        self.left -= size
        placement = self.placement if change.in_place else None
        then = replay(change.program, self.timeline, self.simulated, placement)
        if then is None:
            self.too_large[change.choice] = change.room
            self._reject(change, "its tiles do not fit")
            return
        if self.now - then < LEAST_GAIN_RATIO * self.now:
            self._reject(change, _no_gain(self.now, then))
            return
        known = self.best.get(change.choice)
        if known is None or then < known.total_ns - _SAME_NS:
            self.best[change.choice] = _advice(change, self.now, then)

    def _reject(self, change: Change, why: str, key: str = "") -> None:
        # Of several variants the first to be tried says why.
        self.rejected.setdefault(key or change.choice, NotTried(title=change.title, why=why, lines=change.lines))


def _bound(whose: str, least_ns: float) -> str:
    who = {"dma": "the DMA engines need", "triggers": "the queue for transfers needs"}.get(whose)
    return f"cannot gain 1 %: {who or f'the {whose} engine needs'} {time_text(least_ns)} for its work alone"


def _no_gain(now: float, then: float) -> str:
    ratio = 1.0 - then / now
    if ratio < -0.0005:
        return f"replayed: {percent(-ratio)} slower"
    return f"replayed: gains {percent(ratio)}" if ratio >= 0.0005 else "replayed: gains nothing"


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


def replay(
    program: Program, timeline: Timeline, simulated: Simulated = _PLAIN, placement: Placement | None = None
) -> float | None:
    """Simulated time of `program` on the target of `timeline`, placed anew unless `placement` says where things lie.

    None when it does not fit or run.
    """
    target = timeline.target
    if placement is None:
        allocation = allocate(program, target)
        if allocation.diagnostics:
            return None
        placement = allocation.placement
    trips = None
    if simulated.trips is not None:
        # A changed program has the same loops in the same order, as other objects.
        pairs = zip(_loops(timeline.program.body), _loops(program.body), strict=True)
        trips = {id(new): simulated.trips[id(old)] for old, new in pairs if id(old) in simulated.trips}
    try:
        return simulate(program, placement, target, trips=trips, schedule=simulated.schedule).total_ns
    except TripCountError:
        return None


def _loops(body: Sequence[Item]) -> Iterator[Loop]:
    for item in body:
        if isinstance(item, Loop):
            yield item
            yield from _loops(item.body)


def reproduces(timeline: Timeline, simulated: Simulated = _PLAIN, allocation: Allocation | None = None) -> bool:
    """Whether replaying the unchanged program gives the time that was profiled; without that no gain means anything.

    Simulating the same program in the same places gives the same time, so where `allocation` is known to be the plain
    one, there is nothing to replay.
    """
    if allocation is not None and not allocation.separate:
        if allocation.diagnostics:
            return False
        if simulated.trips is not None or not _needs_trips(timeline.program.body):
            return True
    again = replay(timeline.program, timeline, simulated)
    return again is not None and abs(again - timeline.total_ns) <= _SAME_NS


def _needs_trips(body: Sequence[Item]) -> bool:
    """Whether some loop's trip count only the data decide."""
    return any(
        loop.condition is not None or not isinstance(loop.start, int) or not isinstance(loop.stop, int)
        for loop in _loops(body)
    )


__all__: Sequence[str] = ("Advice", "Advised", "Simulated", "advise", "replay", "reproduces")
