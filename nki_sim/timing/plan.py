"""Plan: a program made ready for the clock: the instances in order, their prices and what each has to wait for.

Nothing here depends on time, so one plan can be scheduled under many assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Program, Register, TensorDecl
from nki_sim.targets import Target
from nki_sim.timing.costs import CostTable, Work
from nki_sim.timing.dependences import READ_AFTER_WRITE, DependenceTracker
from nki_sim.timing.expand import LOOP_BACK, Registers, expand, is_flat
from nki_sim.timing.lanes import ENGINES
from nki_sim.timing.regions import UNKNOWN, Shapes, region_of, whole

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


_WRITTEN = frozenset({"dst", "reduce_res"})


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
    known: dict[int, Work] = {}
    lanes: list[int] = []
    writers: dict[int, int] = {}
    instances, works, waits = plan.instances, plan.works, plan.waits
    access = tracker.access
    for index, instruction in enumerate(steps):
        if instruction is LOOP_BACK:
            instances.append(BACK)
            works.append(None)
            waits.append(())
            lanes.append(0)
            continue
        if repeats:
            number = numbers[id(instruction)]
            work = known.get(number)
            if work is None:
                work = known[number] = costs.work(instruction)
        else:
            number = index
            work = costs.work(instruction)
        lane = work.lane
        found: dict[int, int] = {}
        written: list[AccessPattern] = []
        for name, operand in instruction.operands.items():
            if type(operand) is AccessPattern:
                moves = operand.dynamic is not None
                if moves or operand.vector is not None:
                    _read_addresses(operand, tracker, shapes, registers, writers, index, lane, found)
                if name in _WRITTEN:
                    written.append(operand)
                    continue
                tensor = operand.tensor.index
                if tensor not in constant:
                    region = _dynamic_region(operand, shapes, registers) if moves else region_of(operand, shapes)
                    access(tensor, region, False, index, lane, found)
            elif type(operand) is Register:
                if name == "dst":
                    writers[operand.index] = index
                elif operand.index in writers:
                    found[writers[operand.index]] = READ_AFTER_WRITE
        for operand in written:
            region = (
                region_of(operand, shapes) if operand.dynamic is None else _dynamic_region(operand, shapes, registers)
            )
            access(operand.tensor.index, region, True, index, lane, found)
        instances.append(number)
        works.append(work)
        lanes.append(lane)
        waits.append(_latest(found, lanes, lane) if found else ())
    plan.signatures = len(costs)
    return plan


def _never_written(tensor: TensorDecl) -> bool:
    return tensor.role == "constant" or (tensor.role == "input" and not tensor.written)


def _latest(found: dict[int, int], lanes: list[int], own: int) -> Predecessors:
    """Drop what an in-order engine guarantees: all but its latest, and its own reuse of a place."""
    if len(found) == 1:
        ((producer, kind),) = found.items()
        if kind != READ_AFTER_WRITE and lanes[producer] == own and own < ENGINES:
            return ()
        return (2 * producer + kind,)
    latest = [-1] * ENGINES
    kept: list[int] = []
    for producer, kind in found.items():
        lane = lanes[producer]
        code = 2 * producer + kind
        if lane >= ENGINES:
            kept.append(code)
        elif (lane != own or kind == READ_AFTER_WRITE) and code > latest[lane]:
            latest[lane] = code
    kept += [code for code in latest if code >= 0]
    return tuple(kept)


def _dynamic_region(pattern: AccessPattern, shapes: Shapes, registers: Registers) -> tuple[int, int, int, int, int]:
    """The region of a pattern with a run-time start: exact when the register is known, else all of the tensor."""
    assert pattern.dynamic is not None
    source = pattern.dynamic.source
    value = registers.get(source) if isinstance(source, Register) else None
    if value is None:
        return (*whole(pattern.tensor)[:4], UNKNOWN)
    return region_of(pattern, shapes, value * pattern.dynamic.multiplier)


def _read_addresses(
    pattern: AccessPattern,
    tracker: DependenceTracker,
    shapes: Shapes,
    registers: Registers,
    writers: dict[int, int],
    instance: int,
    lane: int,
    found: dict[int, int],
) -> None:
    """Register what the address of `pattern` is computed from."""
    source = pattern.dynamic.source if pattern.dynamic is not None else None
    if isinstance(source, Register) and source.index in writers:
        found[writers[source.index]] = READ_AFTER_WRITE
    tiles = [source, pattern.vector.index if pattern.vector is not None else None]
    for tile in tiles:
        if isinstance(tile, AccessPattern):
            tracker.access(tile.tensor.index, region_of(tile, shapes), False, instance, lane, found)
