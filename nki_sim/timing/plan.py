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
from nki_sim.timing.costs import CostTable, Work
from nki_sim.timing.dependences import READ_AFTER_WRITE, DependenceTracker
from nki_sim.timing.expand import LOOP_BACK, Registers, expand, is_flat
from nki_sim.timing.lanes import ENGINES
from nki_sim.timing.regions import UNKNOWN, Region, Shapes, region_of, whole

Placement = Mapping[int, tuple[int, int]]
"""tensor.index -> (start partition, byte offset in the partition), for SBUF and PSUM."""

Predecessors = tuple[int, ...]
"""2 * instance + (READ_AFTER_WRITE or REUSE), the latest of an in-order engine only. Integers: there are many."""

BACK = -1


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
    """What instructions recorded alike share: the price, and the names of the tile operands read and written.

    simple   every address is fixed and no register takes part
    """

    work: Work
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    simple: bool


def _form_of(instruction: Instruction, costs: CostTable) -> _Form:
    tiles = {n: o for n, o in instruction.operands.items() if isinstance(o, AccessPattern)}
    moving = any(tile.dynamic is not None or tile.vector is not None for tile in tiles.values())
    return _Form(
        work=costs.work(instruction),
        reads=tuple(name for name in tiles if name not in WRITTEN[instruction.op]),
        writes=tuple(name for name in tiles if name in WRITTEN[instruction.op]),
        simple=not moving and not any(isinstance(o, Register) for o in instruction.operands.values()),
    )


def prepare(
    program: Program, placement: Placement | None, target: Target, trips: Mapping[int, int] | None = None
) -> Plan:
    """Expand, price and connect the instructions of `program`."""
    instructions = list(program.instructions())
    plan = Plan(program=program, target=target, instructions=instructions)
    costs = CostTable(target)
    shapes = Shapes()
    tracker = DependenceTracker(program.tensors, placement, shapes, ENGINES)
    registers = Registers()
    repeats = not is_flat(program)
    steps = expand(program, registers, trips) if repeats else instructions
    numbers = {id(one): index for index, one in enumerate(instructions)} if repeats else {}
    constant = {t.index for t in program.tensors if _never_written(t)}
    # By Instruction.form; in a program with loops by instruction, as -2 and below.
    forms: dict[int, _Form] = {}
    lanes: list[int] = []
    writers: dict[int, int] = {}
    read, write = tracker.read, tracker.write
    add_instance, add_work, add_wait, add_lane = (
        plan.instances.append, plan.works.append, plan.waits.append, lanes.append,
    )  # fmt: skip
    for index, instruction in enumerate(steps):
        if instruction is LOOP_BACK:
            add_instance(BACK)
            add_work(None)
            add_wait(())
            add_lane(0)
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
        lane = form.work.lane
        operands: dict[str, Any] = instruction.operands
        found: dict[int, int] = {}
        if not form.simple:
            _read_addresses(instruction, tracker, shapes, writers, index, lane, found)
        for name in form.reads:
            pattern: AccessPattern = operands[name]
            tensor = pattern.tensor.index
            if tensor not in constant:
                region = pattern.region or _region(pattern, shapes, registers)
                read(tensor, region, index, lane, found)
        for name in form.writes:
            pattern = operands[name]
            region = pattern.region or _region(pattern, shapes, registers)
            write(pattern.tensor.index, region, index, lane, found)
        add_instance(number)
        add_work(form.work)
        add_lane(lane)
        if len(found) == 1:
            ((producer, kind),) = found.items()
            own_place = kind != READ_AFTER_WRITE and lanes[producer] == lane and lane < ENGINES
            add_wait(() if own_place else (2 * producer + kind,))
        else:
            add_wait(_latest(found, lanes, lane) if found else ())
    plan.signatures = len(costs)
    return plan


def _never_written(tensor: TensorDecl) -> bool:
    return tensor.role == "constant" or (tensor.role == "input" and not tensor.written)


def _latest(found: dict[int, int], lanes: list[int], own: int) -> Predecessors:
    """Drop what an in-order engine guarantees: all but its latest, and its own reuse of a place."""
    latest: dict[int, int] | None = None
    kept: list[int] = []
    for producer, kind in found.items():
        lane = lanes[producer]
        if lane >= ENGINES:
            kept.append(2 * producer + kind)
        elif lane != own or kind == READ_AFTER_WRITE:
            code = 2 * producer + kind
            if latest is None:
                latest = {lane: code}
            elif code > latest.get(lane, -1):
                latest[lane] = code
    if latest is not None:
        kept += [latest[lane] for lane in sorted(latest)] if len(latest) > 1 else latest.values()
    return tuple(kept)


def _region(pattern: AccessPattern, shapes: Shapes, registers: Registers) -> Region:
    """What `pattern` touches now: with a run-time start, exact when the register is known, else all of the tensor."""
    if pattern.dynamic is None:
        return region_of(pattern, shapes)
    source = pattern.dynamic.source
    value = registers.get(source) if isinstance(source, Register) else None
    if value is None:
        return (*whole(pattern.tensor)[:4], UNKNOWN)
    return region_of(pattern, shapes, value * pattern.dynamic.multiplier)


def _read_addresses(
    instruction: Instruction,
    tracker: DependenceTracker,
    shapes: Shapes,
    writers: dict[int, int],
    instance: int,
    lane: int,
    found: dict[int, int],
) -> None:
    """Register what the addresses and register operands of `instruction` wait for, and the register it writes."""
    for name, operand in instruction.operands.items():
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
                tracker.read(source.tensor.index, region_of(source, shapes), instance, lane, found)
            elif isinstance(source, Register) and source.index in writers:
                found[writers[source.index]] = READ_AFTER_WRITE
    target = instruction.operands.get("dst")
    if isinstance(target, Register):
        writers[target.index] = instance
