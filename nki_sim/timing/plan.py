"""Plan: a program made ready for the clock: the instances in order, their prices and what each has to wait for.

Nothing here depends on time, so one plan can be scheduled under many assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nki_sim.instructions.roles import WRITTEN
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program, Register, TensorDecl
from nki_sim.targets import Target
from nki_sim.timing.compiled import meter
from nki_sim.timing.costs import CostTable, Work
from nki_sim.timing.expand import LOOP_BACK, Registers, expand, is_flat
from nki_sim.timing.lanes import ENGINES
from nki_sim.timing.regions import UNKNOWN, Region, Shapes, region_of, whole
from nki_sim.timing.tracking import Predecessors, Tape, layout_of, waits_of

Placement = Mapping[int, tuple[int, int]]
"""tensor.index -> (start partition, byte offset in the partition), for SBUF and PSUM."""

BACK = -1

_NOTHING = (0, 0, 0, 0)
"""On the tape: an instance that touches nothing."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """`instances`: static instruction index of each step, BACK for a loop's back edge; works and waits go with it."""

    program: Program
    target: Target
    instructions: list[Instruction]
    instances: list[int] = field(default_factory=list)
    works: list[Work | None] = field(default_factory=list)
    waits: list[Predecessors] = field(default_factory=list)
    signatures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What instructions recorded alike share.

    tiles    names of the tile operands, first those that are read
    head     what stands before their numbers on the tape
    simple   every address is fixed and no register takes part
    """

    work: Work
    tiles: tuple[str, ...]
    head: tuple[int, int, int, int]
    simple: bool


def _form_of(instruction: Instruction, costs: CostTable) -> _Form:
    tiles = {n: o for n, o in instruction.operands.items() if isinstance(o, AccessPattern)}
    moving = any(tile.dynamic is not None or tile.vector is not None for tile in tiles.values())
    reads = tuple(name for name in tiles if name not in WRITTEN[instruction.op])
    writes = tuple(name for name in tiles if name in WRITTEN[instruction.op])
    work = costs.work(instruction)
    return _Form(
        work=work,
        tiles=(*reads, *writes),
        head=(work.lane, 0, len(reads), len(writes)),
        simple=not moving and not any(isinstance(o, Register) for o in instruction.operands.values()),
    )


def prepare(
    program: Program,
    placement: Placement | None,
    target: Target,
    trips: Mapping[int, int] | None = None,
    *,
    compiled: bool | None = None,
) -> Plan:
    """Expand, price and connect the instructions of `program`; `compiled`: how, None: as is worth it."""
    instructions = list(program.instructions())
    plan = Plan(program=program, target=target, instructions=instructions)
    costs = CostTable(target)
    shapes = Shapes()
    registers = Registers()
    repeats = not is_flat(program)
    steps = expand(program, registers, trips) if repeats else instructions
    numbers = {id(one): index for index, one in enumerate(instructions)} if repeats else {}
    # By Instruction.form; in a program with loops by instruction, as -2 and below.
    forms: dict[int, _Form] = {}
    writers: dict[int, int] = {}
    tape = Tape()
    line, regions = tape.numbers, tape.regions
    instances, works = plan.instances, plan.works
    for index, instruction in enumerate(steps):
        if instruction is LOOP_BACK:
            instances.append(BACK)
            works.append(None)
            line += _NOTHING
            continue
        number, key = index, instruction.form
        if repeats:
            number = numbers[id(instruction)]
            key = -2 - number
        form = forms.get(key)
        if form is None:
            form = _form_of(instruction, costs)
            if key != -1:
                forms[key] = form
        instances.append(number)
        works.append(form.work)
        operands: dict[str, Any] = instruction.operands
        if form.simple:
            line += form.head
        else:
            addresses, producers = _addresses(operands, writers)
            lane, _, reads, writes = form.head
            line += (lane, len(producers), reads + len(addresses), writes, *producers)
            for pattern in addresses:
                region = _region(pattern, shapes, registers)
                line += (pattern.tensor.index, regions.setdefault(region, len(regions)))
            register = operands.get("dst")
            if isinstance(register, Register):
                writers[register.index] = index
        for name in form.tiles:
            pattern = operands[name]
            region = pattern.region or _region(pattern, shapes, registers)
            line += (pattern.tensor.index, regions.setdefault(region, len(regions)))
    tape.count = len(instances)
    if compiled is None:
        compiled = meter().is_over(tape.count)
    layout = layout_of(program.tensors, placement or {}, _never_written)
    plan.waits = waits_of(tape, layout, shapes, ENGINES, compiled=compiled)
    plan.signatures = len(costs)
    return plan


def _never_written(tensor: TensorDecl) -> bool:
    return tensor.role == "constant" or (tensor.role == "input" and not tensor.written)


def _region(pattern: AccessPattern, shapes: Shapes, registers: Registers) -> Region:
    """What `pattern` touches now: with a run-time start, exact when the register is known, else all of the tensor."""
    if pattern.dynamic is None:
        return region_of(pattern, shapes)
    source = pattern.dynamic.source
    value = registers.get(source) if isinstance(source, Register) else None
    if value is None:
        return (*whole(pattern.tensor)[:4], UNKNOWN)
    return region_of(pattern, shapes, value * pattern.dynamic.multiplier)


def _addresses(operands: Mapping[str, Any], writers: Mapping[int, int]) -> tuple[list[AccessPattern], list[int]]:
    """What the addresses and register operands of an instruction need: (patterns read, instances that set registers).

    writers   by register, the instance that set it last
    """
    patterns: list[AccessPattern] = []
    producers: list[int] = []
    for name, operand in operands.items():
        sources: list[Any] = []
        if isinstance(operand, AccessPattern):
            if operand.dynamic is not None:
                sources.append(operand.dynamic.source)
            if operand.vector is not None:
                sources.append(operand.vector.index)
        elif name != "dst":
            sources.append(operand)
        for source in sources:
            if isinstance(source, AccessPattern):
                patterns.append(source)
            elif isinstance(source, Register) and source.index in writers:
                producers.append(writers[source.index])
    return patterns, producers
