"""Compile one instruction's lowering on its own and run it on NumPy arrays, without a Program or the engine around
it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir

from nki_sim.engines.jit import context as contexts
from nki_sim.engines.jit.context import Context
from nki_sim.engines.jit.host import host
from nki_sim.engines.jit.layout import Absent, Immediate, Layout, OperandKey, Signature, TileKey
from nki_sim.engines.jit.lowering import Lowering
from nki_sim.engines.jit.types import INT64, POINTER
from nki_sim.program.dtypes import DType

ROW_BYTES = 20_544
"""Bytes per partition of the stand-in for on-chip memory."""
SCRATCH_BYTES = 8 << 20


@dataclass
class Operand:
    """A tile in on-chip memory: dims are (byte stride, count) of the free dimensions, step the distance of
    partitions."""

    dtype: DType
    partitions: int
    dims: tuple[tuple[int, int], ...]
    offset: int = 0
    start: int = 0
    step: int = 1

    @property
    def partition(self) -> tuple[int, int, int]:
        """As in an AccessPattern, which lowerings look at before they emit code."""
        return self.start, self.step, self.partitions


@dataclass
class Machine:
    """Memory for single instructions. SBUF and PSUM are one array here; operands say where they are in it."""

    memory: npt.NDArray[np.uint8] = field(default_factory=lambda: np.full((128, ROW_BYTES), 0xFF, np.uint8))
    accumulators: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(256, np.float32))
    scratch: npt.NDArray[np.uint8] = field(default_factory=lambda: np.full(SCRATCH_BYTES, 0xFF, np.uint8))

    def view(self, operand: Operand) -> npt.NDArray[Any]:
        """A writable view of an operand, shape (partitions, counts...)."""
        return np.ndarray(
            (operand.partitions, *(count for _, count in operand.dims)),
            operand.dtype.storage,
            self.memory.data,
            operand.start * ROW_BYTES + operand.offset,
            (operand.step * ROW_BYTES, *(stride for stride, _ in operand.dims)),
        )


class Compiled:
    """One instruction, ready to run any number of times on any Machine."""

    def __init__(
        self, op: str, lowering: Lowering, operands: Mapping[str, object], attributes: Mapping[str, object]
    ) -> None:
        given, chosen = dict(operands), dict(attributes)
        if lowering.prepare is not None:
            given, chosen = lowering.prepare(given, chosen)
        self._operands = given
        chosen = {name: value for name, value in chosen.items() if name not in lowering.ignored}
        self._runtime = {name: chosen.pop(name) for name in lowering.runtime if name in chosen}
        for name, value in chosen.items():
            if isinstance(value, np.ndarray):
                self._runtime[name] = value
                chosen[name] = ("array", value.shape)
        keys = tuple((name, _key(operand)) for name, operand in given.items())
        signature = Signature(op, keys, tuple(sorted(chosen.items())), tuple(self._runtime))
        module = ir.Module()
        function = ir.Function(module, ir.FunctionType(INT64, [POINTER, POINTER, INT64]), "instruction")
        context = Context(function, signature)
        lowering.emit(context)
        context.finish()
        self.source = str(module)
        self._link()

    def _link(self) -> None:
        this = host()
        parsed = binding.parse_assembly(self.source)
        parsed.verify()
        target = binding.Target.from_triple(this.triple)
        machine = target.create_target_machine(cpu=this.cpu, features=this.features, opt=2)
        options = binding.create_pipeline_tuning_options(speed_level=2)
        passes = binding.create_pass_builder(machine, options)
        passes.getModulePassManager().run(parsed, passes)
        self.assembly = machine.emit_assembly(parsed)
        self._engine = binding.create_mcjit_compiler(parsed, machine)
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        self._function = kind(self._engine.get_function_address("instruction"))

    def bind(self, machine: Machine) -> Any:
        """A function without arguments that runs the instruction on `machine`."""
        bases = np.zeros(contexts.FIRST_HBM, np.int64)
        bases[contexts.SBUF] = bases[contexts.PSUM] = machine.memory.ctypes.data
        bases[contexts.ACCUMULATORS] = machine.accumulators.ctypes.data
        bases[contexts.SCRATCH] = machine.scratch.ctypes.data
        slots: list[int] = []
        arrays = [value for value in self._runtime.values() if isinstance(value, np.ndarray)]
        constants = np.concatenate([value.reshape(-1).view(np.uint8) for value in arrays] or [np.zeros(1, np.uint8)])
        bases[contexts.CONSTANTS] = constants.ctypes.data
        used = 0
        for operand in [*self._operands.values(), *self._runtime.values()]:
            if isinstance(operand, np.ndarray):
                slots += [contexts.CONSTANTS, used]
                used += operand.nbytes
            elif isinstance(operand, Operand):
                slots += [contexts.SBUF, operand.start * ROW_BYTES + operand.offset]
            elif operand is not None:
                number = float(operand)  # type: ignore[arg-type]
                slots += [int(np.float32(number).view(np.int32)), int(number) if np.isfinite(number) else 0]
        args = np.array([*slots, 0], np.int64)
        function = self._function

        def run(keep: object = (self, machine, bases, args, constants)) -> None:
            assert function(bases.ctypes.data, args.ctypes.data, 7) == 8

        return run


def _key(operand: object) -> OperandKey:
    if operand is None:
        return Absent()
    if isinstance(operand, Operand):
        dims = ((operand.step * ROW_BYTES, operand.partitions), *operand.dims)
        return TileKey(Layout(operand.dtype, dims, True))
    return Immediate()


def run(
    op: str, lowering: Lowering, operands: Mapping[str, object], attributes: Mapping[str, object], machine: Machine
) -> None:
    """Compile and run once."""
    Compiled(op, lowering, operands, attributes).bind(machine)()
