"""What one source line was charged: its instructions with their charged terms, and what they waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nki_sim.profiler.charged_terms import NOTHING_NS, OCCUPYING, Alone, Phase, Term, phases_of
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.stalls import Stall, find_stalls
from nki_sim.program.ir import Instruction
from nki_sim.program.spans import SourceSpan
from nki_sim.timing import Placement
from nki_sim.timing.lanes import LANES, STALLS, TABLE_LOAD
from nki_sim.timing.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """All instructions of a line that cost the same.

    instruction   one of them; executions counts all
    taken_ns      what they took of their lane in this run; charged_ns: the same, each alone and at full clock
    chain         source positions, innermost first
    """

    instruction: Instruction
    lane: str
    executions: int
    taken_ns: float
    charged_ns: float
    phases: tuple[Phase, ...]
    chain: tuple[SourceSpan, ...]


@dataclass(frozen=True, kw_only=True)
class LineCost:
    """One line: its charges, what its instructions waited for, and what each signal they waited for is charged."""

    file: str
    line: int
    text: str
    total_ns: float = 0.0
    slow_clock_ns: float = 0.0
    charges: list[Charge] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)
    signals: list[Phase] = field(default_factory=list)


def explain_line(profile: Profile, file: str | Path, line: int) -> LineCost:
    """The costs of what `file`:`line` issued, itself or through a helper it calls."""
    run = profile.run
    wanted = Path(file).resolve()
    known: dict[int, bool] = {}
    numbers = []
    for number, instruction in enumerate(run.instructions):
        site = instruction.site
        if site not in known:
            known[site] = any(_covers(span, wanted, line) for span in run.program.spans(site))
        if known[site] and run.counts[number]:
            numbers.append(number)
    groups: dict[int, list[int]] = {}
    for number in numbers:
        groups.setdefault(id(run.works[number]), []).append(number)
    placement = None if profile.allocation is None else profile.allocation.placement
    charges = [_charge(run, placement, group) for group in groups.values()]
    text = next((s.text.strip() for n in numbers for s in run.spans(n) if _covers(s, wanted, line)), "")
    return LineCost(
        file=str(file),
        line=line,
        text=text,
        total_ns=run.total_ns,
        slow_clock_ns=run.slow_clock_ns,
        charges=sorted(charges, key=lambda one: -one.taken_ns),
        stalls=[one for one in find_stalls(run) if one.span is not None and _covers(one.span, wanted, line)],
        signals=_signals(run, placement, numbers),
    )


def issuing_lines(profile: Profile, file: str | Path) -> set[int]:
    """The lines of `file` that issued something, themselves or through a helper."""
    run, wanted = profile.run, Path(file).resolve()
    sites = {run.instructions[number].site for number in np.flatnonzero(run.counts).tolist()}
    spans = {span for site in sites for span in run.program.spans(site)}
    return {span.line for span in spans if Path(span.file).resolve() == wanted}


def issuing_files(profile: Profile) -> list[str]:
    """The files the executed instructions come from, in order of appearance, helpers' included."""
    run = profile.run
    sites = dict.fromkeys(run.instructions[number].site for number in np.flatnonzero(run.counts).tolist())
    return list(dict.fromkeys(span.file for site in sites for span in run.program.spans(site)))


def _covers(span: SourceSpan, file: Path, line: int) -> bool:
    return span.line <= line <= max(span.line, span.end_line) and Path(span.file).resolve() == file


def _charge(run: Timeline, placement: Placement | None, group: Sequence[int]) -> Charge:
    instruction, work = run.instructions[group[0]], run.works[group[0]]
    assert work is not None
    rows = run.rows[np.isin(run.rows["instruction"], group)]
    own = rows[(rows["lane"] == work.lane) & (rows["kind"] != TABLE_LOAD)]
    phases = phases_of(run, instruction, placement)
    executions = int(run.counts[list(group)].sum())
    return Charge(
        instruction=instruction,
        lane=run.lanes[work.lane],
        executions=executions,
        taken_ns=float((own["issue_end_ns"] - own["start_ns"]).sum()),
        charged_ns=executions * sum(phase.value_ns for phase in phases if phase.name in OCCUPYING),
        phases=phases,
        chain=run.spans(group[0]),
    )


def _signals(run: Timeline, placement: Placement | None, numbers: Sequence[int]) -> list[Phase]:
    """What lies between the end of a producer and the start of the instruction that waited for it."""
    rows = run.rows[np.isin(run.rows["instruction"], numbers) & (run.rows["cause"] >= 0) & (run.rows["stall_ns"] > 0)]
    seen: set[tuple[int, int, int]] = set()
    found: dict[tuple[str, float], Phase] = {}
    for row in rows[["instruction", "cause", "stall"]].tolist():
        waiting, cause, stall = row
        key = (id(run.works[waiting]), id(run.works[cause]), stall)
        if key in seen:
            continue
        seen.add(key)
        pair = Alone(run.program, [run.instructions[cause], run.instructions[waiting]], placement, run.target)
        held = pair.base.rows[(pair.base.rows["instance"] == 1) & (pair.base.rows["stall"] == stall)]
        value = _gap(pair.base)
        if len(held) and value > NOTHING_NS:
            lane = STALLS[stall]
            name = f"signal from {run.instructions[cause].op}" + (f" ({lane})" if lane in LANES else f", {lane}")
            phase = Phase(name=name, value_ns=value, terms=tuple(pair.terms(_gap)))
            found.setdefault((name, round(value, 3)), phase)
    return list(found.values())


def _gap(timeline: Timeline) -> float:
    """From the end of the first instruction to the start of the second."""
    rows = timeline.rows
    first, second = rows["instance"] == 0, rows["instance"] == 1
    if not first.any() or not second.any():
        return 0.0
    starts = np.where(np.isnan(rows["load_start_ns"]), rows["start_ns"], rows["load_start_ns"])
    return float(starts[second & (rows["kind"] != TABLE_LOAD)].min() - rows["end_ns"][first].max())


__all__ = ["Charge", "LineCost", "Phase", "Term", "explain_line", "issuing_files", "issuing_lines"]
