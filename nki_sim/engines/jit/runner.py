"""The JIT engine: `prepare` compiles a Program, the Runner it gives runs it.

A warm call fills in the addresses of the HBM arrays and calls the compiled runner once; the call releases the GIL.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.engines.jit.compile import Code, code_store
from nki_sim.engines.jit.context import (
    ACCUMULATORS,
    CONSTANTS,
    FIRST_HBM,
    PSUM,
    REGISTERS,
    SBUF,
    SCRATCH,
    STATE,
    STOP_BOUNDS,
    STOP_CODES,
    STOP_PAUSE,
    STOP_UNDEFINED,
)
from nki_sim.engines.jit.inspect import bounds_error, print_text, undefined_register
from nki_sim.engines.jit.layout import Signature
from nki_sim.engines.jit.table import Table, TableBuilder
from nki_sim.engines.limits import MAX_PASSES, endless_loop
from nki_sim.memory.storage import Memory, Placement, Registers, host_rows
from nki_sim.program.ir import Instruction, Program
from nki_sim.targets import Target

_ENTRY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)

ACCUMULATOR_SETS = 2


def prepare(program: Program, placement: Placement, target: Target) -> JitRunner:
    """Compile `program`, whose on-chip tensors lie at `placement`."""
    return JitRunner(program, placement, target)


class Rooms:
    """SBUF and PSUM for one run. They are large, and a process keeps only as many as it runs programs at once."""

    def __init__(self, partitions: int, pitches: Mapping[str, int]) -> None:
        self.sbuf = np.empty((partitions, pitches["sbuf"]), np.uint8)
        self.psum = np.empty((partitions, pitches["psum"]), np.uint8)
        self.addresses = (self.sbuf.ctypes.data, self.psum.ctypes.data)


class RoomPool:
    """Rooms nobody uses at the moment, by size; threads may ask at the same time."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, int, int], list[Rooms]] = {}
        self._lock = threading.Lock()

    def take(self, partitions: int, pitches: Mapping[str, int]) -> Rooms:
        with self._lock:
            free = self._free.get((partitions, pitches["sbuf"], pitches["psum"]))
            if free:
                return free.pop()
        return Rooms(partitions, pitches)

    def give_back(self, rooms: Rooms) -> None:
        key = (len(rooms.sbuf), rooms.sbuf.shape[1], rooms.psum.shape[1])
        with self._lock:
            self._free.setdefault(key, []).append(rooms)


_ROOMS = RoomPool()


class State:
    """What one run needs besides its rooms; reused by later runs, one at a time."""

    rooms: Rooms

    def __init__(
        self,
        program: Program,
        table: Table,
        target: Target,
        hbm_tensors: int,
    ) -> None:
        partitions = target.limit("pmax")
        self.registers = np.zeros(max([r.index for r in program.registers], default=0) + 1, np.int32)
        self.accumulators = np.empty((ACCUMULATOR_SETS, partitions), np.float32)
        self.cells = np.zeros(1 + 3 * len(table.loops), np.int64)
        scratch = np.empty(table.scratch_bytes + 128, np.uint8)
        self.keep = (scratch,)
        self.bases = np.zeros(FIRST_HBM + hbm_tensors, np.uint64)
        for number, array in (
            (REGISTERS, self.registers),
            (ACCUMULATORS, self.accumulators), (STATE, self.cells),
        ):  # fmt: skip
            self.bases[number] = array.ctypes.data
        self.bases[SCRATCH] = (scratch.ctypes.data + 63) // 64 * 64
        self.pointer = self.bases.ctypes.data


class JitRunner:
    """A compiled program. Threads may call it at the same time; each run has its own memories.

    trips   id(loop) -> passes in the last run that ended
    table   what is run, for tests and reports
    """

    def __init__(self, program: Program, placement: Placement, target: Target) -> None:
        self.program = program
        self.target = target
        self.trips: dict[int, int] = {}
        self._placement = placement
        self._partitions = target.limit("pmax")
        self._pitches = host_rows(target, placement, program.tensors)
        builder = TableBuilder(program, placement, self._pitches)
        self.table = builder.build()
        self._hbm = builder.hbm
        self.compiled = code_store().functions([*self.table.signatures, Signature("run", ())])
        self._codes: list[Code] = self.compiled.codes
        self._rows = self.table.linked([code.address for code in self._codes[:-1]])
        self._entry = _ENTRY(self._codes[-1].address)
        self._constants = np.frombuffer(bytes(self.table.constants) or b"\0", np.uint8)
        self._table_address = self._rows.ctypes.data
        self._free: list[State] = []
        self._used: dict[str, int] = {}
        for tensor in program.tensors:
            if tensor.space != "hbm" and tensor.index in placement:
                end = placement[tensor.index][1] + tensor.bytes_per_partition
                self._used[tensor.space] = max(self._used.get(tensor.space, 0), end)
        self._accumulates = any("reduce_cmd" in one.attributes for one in program.instructions())
        self._lock = threading.Lock()

    def __call__(
        self, hbm: dict[int, npt.NDArray[Any]], on_print: Callable[[str], None], fill: int | None = None
    ) -> None:
        with self._lock:
            state = self._free.pop() if self._free else None
        if state is None:
            state = State(self.program, self.table, self.target, len(self._hbm))
            state.bases[CONSTANTS] = self._constants.ctypes.data
        rooms = state.rooms = _ROOMS.take(self._partitions, self._pitches)
        state.bases[SBUF], state.bases[PSUM] = rooms.addresses
        if fill is not None:
            # Only columns that hold tensors.
            rooms.sbuf[:, : self._used.get("sbuf", 0)] = fill
            rooms.psum[:, : self._used.get("psum", 0)] = fill
        self._run(state, hbm, on_print)
        _ROOMS.give_back(rooms)
        # Not after an error: its traceback may keep the state alive.
        with self._lock:
            self._free.append(state)

    def _run(self, state: State, hbm: dict[int, npt.NDArray[Any]], on_print: Callable[[str], None]) -> None:
        bases = state.bases
        for place, index in enumerate(self._hbm, FIRST_HBM):
            array = hbm[index]
            if not array.flags.c_contiguous:
                raise ValueError(f"the array of HBM tensor {index} is not C-contiguous")
            bases[place] = array.__array_interface__["data"][0]
        if self._accumulates:
            state.accumulators.fill(np.nan)
        if self.table.loops:
            state.cells.fill(0)
        pc = self._entry(state.pointer, self._table_address, 0)
        while pc < 0:
            stopped, reason = divmod(-pc, STOP_CODES)
            if reason == STOP_PAUSE:
                counts = state.cells[1 : 1 + len(self.table.loops)]
                if counts.max() > MAX_PASSES:
                    raise endless_loop(self.program, self.table.loops[int(counts.argmax())])
                pc = self._entry(state.pointer, self._table_address, stopped)
                continue
            if reason == STOP_BOUNDS:
                self._out_of_bounds(stopped, state, hbm)
            if reason == STOP_UNDEFINED:
                fault = self.table.faults[stopped]
                if not any(state.cells[1 + number] for number in fault.loops):
                    raise undefined_register(self.program, fault)
            else:
                self._print(stopped, state, hbm, on_print)
            pc = self._entry(state.pointer, self._table_address, stopped + 1)
        if self.table.loops:
            counts = state.cells[1 : 1 + len(self.table.loops)].tolist()
            self.trips = {id(loop): count for loop, count in zip(self.table.loops, counts, strict=True)}

    def _memory(self, state: State, hbm: dict[int, npt.NDArray[Any]]) -> Memory:
        """A run's memories as the storage class that resolves patterns."""
        memory = Memory(self.target, self._placement, self.program.tensors)
        memory.sbuf, memory.psum, memory.hbm = state.rooms.sbuf, state.rooms.psum, hbm
        memory.registers = Registers(dict(enumerate(state.registers.tolist())))
        return memory

    def _out_of_bounds(self, row: int, state: State, hbm: dict[int, npt.NDArray[Any]]) -> None:
        raise bounds_error(self.program, self._instruction(row), self._memory(state, hbm))

    def _print(self, row: int, state: State, hbm: dict[int, npt.NDArray[Any]], on_print: Callable[[str], None]) -> None:
        on_print(print_text(self._instruction(row), self._memory(state, hbm)))

    def _instruction(self, row: int) -> Instruction:
        instruction = self.table.instructions[row]
        assert instruction is not None
        return instruction
