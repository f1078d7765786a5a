"""Expansion: the instructions of a program in the order the device runs them, loops repeated, register values followed.

Counted loops with integer bounds repeat by themselves. A loop whose trip count only the data decide needs an entry in
`trips`; a register whose value only the data decide makes the addresses it takes part in unknown (None).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nki_sim.program.ir import Instruction, Item, Loop, Program, Register


class TripCountError(ValueError):
    """A loop's trip count depends on data and `trips` has no entry for it."""

    def __init__(self, program: Program, loop: Loop) -> None:
        spans = program.spans(loop.site)
        where = f" at {spans[0]}" if spans else ""
        super().__init__(
            f"the trip count of the loop{where} depends on data; pass trips={{id(loop): count}} or run the kernel first"
        )
        self.loop = loop


class Registers:
    """What is known of the sequencer registers while a program is walked."""

    def __init__(self) -> None:
        self._values: dict[int, int | None] = {}

    def get(self, register: int | float | Register | None) -> int | None:
        """The value, or None when only the data decide it."""
        if isinstance(register, Register):
            return self._values.get(register.index)
        return None if register is None else int(register)

    def set(self, register: Register, value: int | None) -> None:
        self._values[register.index] = value

    def follow(self, instruction: Instruction) -> None:
        """Account for a register instruction."""
        target = instruction.operands.get("dst")
        if isinstance(target, Register):
            source = instruction.operands.get("src")
            known = source if isinstance(source, (int, float, Register)) else None
            self.set(target, self.get(known) if instruction.op == "register_move" else None)


LOOP_BACK = Instruction("loop", {}, {}, "sync")


def expand(program: Program, registers: Registers, trips: Mapping[int, int] | None = None) -> Iterator[Instruction]:
    """Every instruction instance in order; `LOOP_BACK` after each pass through a loop's body."""
    return _walk(program, program.body, registers, trips or {})


def is_flat(program: Program) -> bool:
    """Whether the body is just the instructions in order: no loops and no registers to follow."""
    return not program.registers and not any(isinstance(item, Loop) for item in program.body)


def _walk(program: Program, body: list[Item], registers: Registers, trips: Mapping[int, int]) -> Iterator[Instruction]:
    for item in body:
        if not isinstance(item, Loop):
            yield item
            if item.op.startswith("register_"):
                registers.follow(item)
            continue
        for value in _values(program, item, registers, trips):
            if item.register is not None:
                registers.set(item.register, value)
            yield from _walk(program, item.body, registers, trips)
            yield LOOP_BACK


def _values(program: Program, loop: Loop, registers: Registers, trips: Mapping[int, int]) -> Iterator[int | None]:
    """The loop register's value in each pass; None where it is not known."""
    start, stop = registers.get(loop.start), registers.get(loop.stop)
    if loop.condition is None and start is not None and stop is not None:
        yield from range(start, stop, loop.step)
        return
    count = trips.get(id(loop))
    if count is None:
        raise TripCountError(program, loop)
    for index in range(count):
        yield None if start is None or loop.condition is not None else start + index * loop.step
