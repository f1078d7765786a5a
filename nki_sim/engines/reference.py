"""The reference engine: walks a Program, each instruction with its family's NumPy function. Slow and obvious."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from nki_sim.diagnostics.model import BoundsError, Diagnostic, UndocumentedBehaviour, UninitialisedError
from nki_sim.engines.limits import MAX_PASSES, endless_loop
from nki_sim.instructions.call import Accumulators, Array, Float32, Reference
from nki_sim.memory.storage import (
    UNDEFINED_BYTE,
    Memory,
    OutOfBounds,
    Placement,
    Registers,
    Resolved,
    UndefinedRegisterError,
)
from nki_sim.memory.wording import name_of
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType, from_float32, to_float32
from nki_sim.program.ir import Instruction, Item, Loop, Operand, Program, Register
from nki_sim.targets import Target

FAMILIES: tuple[str, ...] = (
    "dma", "matmul", "elementwise", "reduction", "activation", "selection", "scan", "shuffle", "control",
)  # fmt: skip


@lru_cache(maxsize=1)
def reference_functions() -> Mapping[str, Reference]:
    """Every instruction's reference function by name."""
    found: dict[str, Reference] = {}
    for family in FAMILIES:
        found.update(import_module(f"nki_sim.instructions.{family}.reference").REFERENCE)
    return MappingProxyType(found)


def prepare(program: Program, placement: Placement, target: Target) -> ReferenceRunner:
    """Make `program` ready to run; nothing is compiled."""
    return ReferenceRunner(program, placement, target)


class ReferenceRunner:
    """A program and its storage; see engines.Runner."""

    def __init__(self, program: Program, placement: Placement, target: Target) -> None:
        self.program = program
        self.target = target
        self.trips: dict[int, int] = {}
        self._memory = Memory(target, placement, program.tensors)
        self._functions = reference_functions()

    def __call__(
        self, hbm: dict[int, npt.NDArray[Any]], on_print: Callable[[str], None], fill: int | None = None
    ) -> None:
        self._memory.start(hbm, UNDEFINED_BYTE if fill is None else fill)
        self.trips = {}
        state = _State(self.program, self.target, self._memory, Accumulators(), on_print)
        # NaN, infinity and overflow are values here, not accidents.
        with np.errstate(all="ignore"):
            self._run(self.program.body, state)

    def _run(self, body: list[Item], state: _State) -> None:
        for item in body:
            if isinstance(item, Loop):
                self._loop(item, state)
            else:
                with _Undefined(self.program, item.site, item.op):
                    self._functions[item.op](_Call(item, state))

    def _loop(self, loop: Loop, state: _State) -> None:
        self.trips.setdefault(id(loop), 0)
        if loop.condition is not None:
            while self._value(loop.condition, loop):
                self.trips[id(loop)] += 1
                if self.trips[id(loop)] > MAX_PASSES:
                    raise endless_loop(self.program, loop)
                self._run(loop.body, state)
            return
        # Bounds are read once, on entry: the body cannot move them.
        for index in range(self._value(loop.start, loop), self._value(loop.stop, loop), loop.step):
            self.trips[id(loop)] += 1
            if loop.register is not None:
                self._memory.registers[loop.register] = index
            self._run(loop.body, state)

    def _value(self, bound: int | Register, loop: Loop) -> int:
        if isinstance(bound, int):
            return bound
        with _Undefined(self.program, loop.site, "loop"):
            return self._memory.registers[bound]


class _Undefined:
    """Turns the read of an unwritten register into an error that points at the kernel."""

    def __init__(self, program: Program, site: int, what: str) -> None:
        self._program, self._site, self._what = program, site, what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UndefinedRegisterError):
            raise UninitialisedError(
                [
                    Diagnostic(
                        code="uninitialised",
                        message=f"{self._what}: {error}",
                        spans=self._program.spans(self._site),
                        fix="give the register a value with register_move or register_load first",
                    )
                ]
            ) from None


class _State:
    """What all calls of one run share."""

    __slots__ = ("accumulators", "memory", "on_print", "program", "target")

    def __init__(
        self,
        program: Program,
        target: Target,
        memory: Memory,
        accumulators: Accumulators,
        on_print: Callable[[str], None],
    ) -> None:
        self.program = program
        self.target = target
        self.memory = memory
        self.accumulators = accumulators
        self.on_print = on_print


class _Call:
    """ReferenceCall over a Memory."""

    def __init__(self, instruction: Instruction, state: _State) -> None:
        self.instruction = instruction
        self.engine = instruction.engine
        self.attributes: Mapping[str, Any] = instruction.attributes
        self.target = state.target
        self.accumulators = state.accumulators
        self._state = state
        self._memory = state.memory
        # Run-time addresses are worked out before anything is written, as a DMA works out its descriptors.
        self._resolved: dict[str, Resolved] = {}
        events: list[tuple[str, OutOfBounds]] = []
        for name, operand in instruction.operands.items():
            if isinstance(operand, AccessPattern):
                self._resolved[name] = found = state.memory.resolve(operand)
                events += [(name, event) for event in found.violations]
        if events and instruction.attributes.get("oob_mode") != "skip":
            raise bounds_error(state.program, instruction, events)

    @property
    def registers(self) -> Registers:
        return self._memory.registers

    def operand(self, name: str) -> Operand:
        return self.instruction.operands.get(name)

    def pattern(self, name: str) -> AccessPattern:
        operand = self.operand(name)
        if not isinstance(operand, AccessPattern):
            raise TypeError(f"{self.instruction.op}: operand {name} is {operand!r}, not a tile")
        return operand

    def shape(self, name: str) -> tuple[int, ...]:
        return self.pattern(name).shape

    def dtype(self, name: str) -> DType:
        return self.pattern(name).dtype

    def lanes(self, name: str) -> npt.NDArray[np.intp]:
        pattern = self.pattern(name)
        assert pattern.partition is not None
        _, step, count = pattern.partition
        return self._memory.first_lane(pattern) + step * np.arange(count)

    def read(self, name: str) -> Array:
        return self._memory.read(self.pattern(name), self._resolved[name])

    def read_f32(self, name: str) -> Float32:
        return to_float32(self.read(name))

    def scalar_or_tile(self, name: str, like: str = "data") -> Float32:
        operand = self.operand(name)
        if isinstance(operand, AccessPattern):
            return self.read_f32(name).reshape(-1, *[1] * (len(self.shape(like)) - 1))
        if not isinstance(operand, int | float):
            raise TypeError(f"{self.instruction.op}: operand {name} is {operand!r}, not a number or a tile")
        return np.asarray(operand, np.float32)

    def in_bounds(self, name: str) -> npt.NDArray[np.bool_]:
        shape = self.shape(name)
        legal = self._resolved[name].in_bounds
        return np.broadcast_to(legal.reshape(-1, *[1] * (len(shape) - 1)), shape)

    def write(self, name: str, values: Float32) -> None:
        self.write_raw(name, from_float32(values, self.dtype(name)))

    def write_raw(self, name: str, values: Array, where: npt.NDArray[np.bool_] | None = None) -> None:
        self._memory.write(self.pattern(name), values, where, self._resolved[name])

    def print(self, text: str) -> None:
        self._state.on_print(text)

    def undocumented(self, message: str) -> NoReturn:
        raise UndocumentedBehaviour(
            [
                Diagnostic(
                    code="undocumented",
                    message=message,
                    owner="documents",
                    spans=self._state.program.spans(self.instruction.site),
                )
            ]
        )


_TOLD_ROWS = 3


def bounds_error(program: Program, instruction: Instruction, events: list[tuple[str, OutOfBounds]]) -> BoundsError:
    """The error for run-time addresses outside their tensors; engines share its text.

    The rows of one index tile can all be wrong: the first few are told one by one, the last one stands for the rest.
    """
    found: list[Diagnostic] = []
    for name, event in events:
        if len(found) < _TOLD_ROWS:
            found.append(bounds_diagnostic(program, instruction, name, event))
        else:
            found[-1] = replace(found[-1], count=found[-1].count + 1)
    return BoundsError(found)


def bounds_diagnostic(program: Program, instruction: Instruction, name: str, event: OutOfBounds) -> Diagnostic:
    """The finding for one run-time address; engines share its text."""
    tensor = event.pattern.tensor
    called = name_of(program, tensor)
    where = "" if event.row is None else f" (row {event.row} of the index tile)"
    if event.reach:
        problem = f"starts at {event.value}{where} and runs past the end of {called}"
    else:
        problem = f"asks for index {event.value}{where} of {called}, which has indices 0 to {event.limit - 1}"
    return Diagnostic(
        code="bounds",
        message=f"{instruction.op}: {name} {problem}",
        spans=program.spans(instruction.site),
        label=f"{called} is [{', '.join(map(str, tensor.shape))}] {tensor.dtype} in {tensor.space}",
        facts=(
            "dynamic addresses are checked while running; oob_mode.error, the default, raises (nki.isa.dma_copy)"
            if instruction.op == "dma_copy"
            else "run-time addresses are known, and checked, only while the kernel runs",
        ),
        fix="keep the index inside the tensor"
        + (", or pass oob_mode=nisa.oob_mode.skip to leave such rows out" if instruction.op == "dma_copy" else ""),
    )
