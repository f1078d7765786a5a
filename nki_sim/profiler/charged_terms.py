"""Charged terms: what an instruction is charged, as formulas of the target's numbers with their sources.

The terms are not written down a second time. An instruction is simulated alone while a recording target notes which
numbers the model reads; then the numbers are taken out one after another (a time or a ratio becomes 0, a rate becomes
endless), and what each saves is its term. So they add up to what is charged, whatever the model comes to be. What is
left when all are out is the `.isa` formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nki_sim.instructions.evaluate import cost
from nki_sim.instructions.spec import InstructionSpec, Tree
from nki_sim.instructions.table import SPECS
from nki_sim.memory.accesses import split
from nki_sim.profiler.rewrite import Moved, new_tensor, redirect
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.targets import Number, Target
from nki_sim.timing import Placement, simulate
from nki_sim.timing.lanes import LANES, MATMUL, TABLE_LOAD, TRANSFER, TRANSPOSE, TRIGGER
from nki_sim.timing.timeline import Rows, Timeline, machine_rows

_ENDLESS = 1e15
NOTHING_NS = 1e-6
"""Shorter stretches are rounding errors."""
_UNPRICED = frozenset({"limits", "launch", "activation_tables", "clock_gate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One charged term.

    name      the target's number ("vector.issue_cycles"), or "formula" for the `.isa` formula
    formula   how its value comes about, in the names of `inputs` and of the target
    inputs    name -> value, with units in the text
    source    the document or measurement that says so, or "assumed: ..."
    """

    name: str
    formula: str
    inputs: Mapping[str, str]
    value_ns: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of an instruction's time, the sum of its terms."""

    name: str
    value_ns: float
    terms: tuple[Term, ...]


class _Recording(Target):
    """A target that notes which numbers are read."""

    def __getitem__(self, path: str) -> float:
        self.read[path] = None
        return super().__getitem__(path)

    @property
    def read(self) -> dict[str, None]:
        notes: dict[str, None] = self.__dict__.setdefault("_read", {})
        return notes


Measure = Callable[[Timeline], float]
_MOVING = "moving its bytes"
_STREAM = "occupying the engine"
OCCUPYING = frozenset({_MOVING, _STREAM})


def phases_of(run: Timeline, instruction: Instruction, placement: Placement | None = None) -> tuple[Phase, ...]:
    """What `instruction` is charged when it runs alone at full clock, stretch by stretch."""
    alone = Alone(run.program, [instruction], placement, run.target)
    found = []
    for name, measure in _measures(alone.base):
        value = measure(alone.base)
        if value > NOTHING_NS:
            found.append(Phase(name=name, value_ns=value, terms=tuple(alone.terms(measure))))
    return tuple(found)


class Alone:
    """Instructions simulated by themselves, under changed numbers as often as need be."""

    def __init__(
        self, program: Program, body: Sequence[Instruction], placement: Placement | None, target: Target
    ) -> None:
        # With no tensors but theirs: a simulation looks at all there are, and there will be many simulations.
        tensors: list[TensorDecl] = []
        moved: dict[int, Moved] = {}
        for pattern in (pattern for one in body for pattern in _patterns(one)):
            if pattern.tensor.index not in moved:
                moved[pattern.tensor.index] = (new_tensor(tensors, pattern.tensor), 0)
        self.instruction = body[-1]
        self.placement = None
        if placement is not None:
            self.placement = {made.index: placement[old] for old, (made, _) in moved.items() if old in placement}
        self.program = Program(
            name=program.name,
            target=program.target,
            tensors=tensors,
            registers=program.registers,
            body=[redirect(one, moved) for one in body],
            sites=program.sites,
        )
        self.target = _with(target, {"clock_gate.enabled": 0.0})
        recording = _Recording(target.name, target.title, target.generation, self.target.numbers)
        self.base = simulate(self.program, self.placement, recording)
        machine_rows(self.base)  # reads the numbers of weight loads
        self.read = [path for path in recording.read if path.partition(".")[0] not in _UNPRICED]

    def measure(self, changes: Mapping[str, float], measure: Measure) -> float | None:
        """The measure under changed numbers; None when the model cannot do with them."""
        try:
            value = measure(simulate(self.program, self.placement, _with(self.target, changes)))
        except (ZeroDivisionError, OverflowError, ValueError, IndexError):
            return None
        return value if math.isfinite(value) else None

    def terms(self, measure: Measure) -> list[Term]:
        """The terms of what `measure` measures, adding up to it."""
        left = measure(self.base)
        scales = [path for path in self.read if self._is_scale(path) and self._matters(path, measure)]
        prices = {}
        for path in self.read:
            without = _taken_out(self.target.number(path))
            if without is not None:
                prices[path] = without
        # What binds nothing goes first: of two limits the model takes the larger, and only that one is charged.
        alone = {path: self.measure({path: without}, measure) for path, without in prices.items()}
        order = sorted((path for path, value in alone.items() if value is not None), key=lambda p: alone[p] != left)
        out: dict[str, float] = {}
        found: list[Term] = []
        for path in order:
            value = self.measure({**out, path: prices[path]}, measure)
            if value is None:
                continue
            out[path] = prices[path]
            # Below 0: what another stretch of the instruction's time has already paid for.
            if abs(left - value) > NOTHING_NS:
                found.append(self._term(self.target.number(path), left - value))
            left = value
        if left > NOTHING_NS:
            numbers = [self.target.number(path) for path in scales]
            found.insert(0, _weights(left, numbers) if measure is _weight_load else self._formula(left, numbers))
        return found

    def _is_scale(self, path: str) -> bool:
        return self.target.number(path).unit.startswith(("GHz", "columns per"))

    def _matters(self, path: str, measure: Measure) -> bool:
        value = self.measure({path: 2.0 * self.target[path]}, measure)
        return value is not None and abs(value - measure(self.base)) > NOTHING_NS

    def _term(self, number: Number, value_ns: float) -> Term:
        name = number.name.partition(".")[2]
        inputs = {name: f"{number.value:g} {number.unit}"}
        if number.unit.startswith("bytes per"):
            inputs = {"bytes": f"{value_ns * number.value:,.0f}", **inputs}
            formula = f"bytes / {name}"
        elif number.unit.startswith("ns"):
            formula = _times(value_ns / number.value, name)
        elif number.unit.startswith("cycles"):
            clock = self._clock(number.name.partition(".")[0])
            factor = value_ns * clock.value / number.value
            formula = f"{_times(factor, name)} / {clock.name.partition('.')[2]}"
            inputs[clock.name.partition(".")[2]] = f"{clock.value:g} {clock.unit}"
        else:
            formula = f"{name} x {value_ns / number.value:.4g} ns"
        if "descriptor" in name and len(self.base.transfers):
            row = self.base.transfers[0]
            inputs = {"descriptors": str(row["descriptors"]), "engines": str(row["engines"]), **inputs}
        return Term(name=number.name, formula=formula, inputs=inputs, value_ns=value_ns, source=number.source)

    def _clock(self, section: str) -> Number:
        entries = self.target.numbers[section]
        return entries["stream_ghz"] if "stream_ghz" in entries else entries["clock_ghz"]

    def _formula(self, value_ns: float, scales: Sequence[Number]) -> Term:
        """What no number of the target accounts for: the cycles of the `.isa` formula."""
        spec = SPECS.get(self.instruction.op)
        work = self.base.works[-1]
        documented = cost(spec, self.instruction, self.target) if spec is not None else None
        inputs = {} if documented is None else {k: str(v) for k, v in documented.inputs.items() if v is not None}
        formula = (work.formula if work is not None else "") or "elements"
        inputs |= {name: f"{value:g}" for name, value in _constants(spec, formula).items()}
        source = (work.citation if work is not None else "") or "assumed: one element per cycle"
        for clock in scales:
            inputs[clock.name.partition(".")[2]] = f"{clock.value:g} {clock.unit}"
        if len(scales) == 1:
            cycles = value_ns * scales[0].value
            formula = f"({formula}) / {scales[0].name.partition('.')[2]}"
            if documented is not None and "MIN_II" in documented.formula and documented.cycles > cycles * (1 + 1e-9):
                source += "; without its floor MIN_II, which the issue term stands for"
        return Term(name="formula", formula=formula, inputs=inputs, value_ns=value_ns, source=source)


def _patterns(instruction: Instruction) -> list[AccessPattern]:
    """Its operands in memory, the offsets they read included."""
    reads, writes = split(instruction)
    return [*(one[1] for one in reads), *(one[1] for one in writes)]


def _constants(spec: InstructionSpec | None, formula: str) -> dict[str, float]:
    """The named constants of a formula of `spec`."""

    def walk(tree: Tree) -> dict[str, float]:
        if tree[0] == "constant":
            return {tree[1]: tree[2]}
        found: dict[str, float] = {}
        for part in tree[1:]:
            if isinstance(part, tuple) and part:
                found |= walk(part)
        return found

    rules = spec.costs if spec is not None else ()
    trees = [rule.expression.tree for rule in rules if rule.expression is not None and rule.expression.text == formula]
    return walk(trees[0]) if trees else {}


def _weights(value_ns: float, scales: Sequence[Number]) -> Term:
    """The columns of a weight load."""
    names = [number.name.partition(".")[2] for number in scales]
    inputs = {name: f"{number.value:g} {number.unit}" for name, number in zip(names, scales, strict=True)}
    columns = value_ns * float(np.prod([number.value for number in scales]))
    source = "; ".join(number.source for number in scales if not number.name.endswith("ghz"))
    return Term(
        name="columns",
        formula=" / ".join(["columns", *names]),
        inputs={"columns": f"{columns:.6g}", **inputs},
        value_ns=value_ns,
        source=source,
    )


def _taken_out(number: Number) -> float | None:
    """The value that makes a number cost nothing; None for those that are no price."""
    if number.unit.startswith("bytes per"):
        return _ENDLESS
    return 0.0 if number.unit.startswith(("ns", "cycles", "of ")) else None


def _times(factor: float, name: str) -> str:
    if abs(factor - 1.0) < 1e-6:
        return name
    return f"{factor:.6g} x {name}"


def _with(target: Target, changes: Mapping[str, float]) -> Target:
    """`target` with some numbers changed; unknown ones are left out."""
    numbers = dict(target.numbers)
    for path, value in changes.items():
        section, _, name = path.partition(".")
        if name in numbers.get(section, {}):
            numbers[section] = {**numbers[section], name: replace(numbers[section][name], value=value)}
    return Target(target.name, target.title, target.generation, numbers)


# -- stretches --------------------------------------------------------------------------------------------------------


def _measures(timeline: Timeline) -> list[tuple[str, Measure]]:
    """The stretches that this one instruction has, in order of time."""
    kinds = set(timeline.rows["kind"].tolist())
    found: list[tuple[str, Measure]] = []
    if TABLE_LOAD in kinds:
        found.append(("loading its function table, when another was loaded", _sum(TABLE_LOAD, "start_ns", "end_ns")))
    if TRANSFER in kinds:
        return [
            *found,
            ("preparing its descriptors in software, from when its data are there", _prepared),
            (f"trigger, occupying {_trigger_lane(timeline)}", _sum(TRIGGER, "start_ns", "issue_end_ns")),
            ("from the trigger to the first packet", _first_packet),
            (_MOVING, _sum(TRANSFER, "start_ns", "issue_end_ns")),
            ("from the last packet to completion", _sum(TRANSFER, "issue_end_ns", "end_ns")),
            ("from its trigger to the earliest next one in its queue, while others go on", _spaced),
        ]
    if MATMUL in kinds or TRANSPOSE in kinds:
        found.append(("weight load, hidden behind the matmul before where it can be", _weight_load))
    main = [kind for kind in kinds if kind not in (TABLE_LOAD, TRIGGER)]
    return [
        *found,
        (_STREAM, _sums(main, "start_ns", "issue_end_ns")),
        ("from there until its result can be used", _drain(main)),
    ]


def _trigger_lane(timeline: Timeline) -> str:
    lanes = timeline.rows["lane"][timeline.rows["kind"] == TRIGGER]
    return LANES[int(lanes[0])] if len(lanes) else "its engine"


def _sum(kind: int, start: str, end: str) -> Measure:
    return _sums([kind], start, end)


def _sums(kinds: Sequence[int], start: str, end: str) -> Measure:
    def measure(timeline: Timeline) -> float:
        rows = timeline.rows[np.isin(timeline.rows["kind"], kinds)]
        return float((rows[end] - rows[start]).sum())

    return measure


def _drain(kinds: Sequence[int]) -> Measure:
    def measure(timeline: Timeline) -> float:
        rows = timeline.rows[np.isin(timeline.rows["kind"], kinds)]
        return float(rows["end_ns"][-1] - rows["issue_end_ns"][-1]) if len(rows) else 0.0

    return measure


def _first_packet(timeline: Timeline) -> float:
    rows = timeline.rows
    return float(rows["start_ns"][rows["kind"] == TRANSFER].min() - rows["start_ns"][rows["kind"] == TRIGGER].min())


def _prepared(timeline: Timeline) -> float:
    """The first transfer of a run is prepared before time begins, so the rows of one alone do not show it."""
    transfer = timeline.works[-1].transfer if timeline.works[-1] is not None else None
    return transfer.prepare_ns if transfer is not None else 0.0


def _spaced(timeline: Timeline) -> float:
    transfer = timeline.works[-1].transfer if timeline.works[-1] is not None else None
    return transfer.spacing_ns if transfer is not None else 0.0


def _weight_load(timeline: Timeline) -> float:
    """What the weight loads among the machine instructions take: all rows with a load, less the matmuls themselves."""

    def total(rows: Rows) -> float:
        rows = rows[~np.isnan(rows["load_start_ns"])]
        return float((rows["end_ns"] - rows["start_ns"]).sum())

    return total(machine_rows(timeline)) - total(timeline.rows)
