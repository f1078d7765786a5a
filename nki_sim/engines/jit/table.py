"""Program -> table: for each instruction the function that runs it and its arguments, as one array of 64-bit integers.

Layout: number of rows; per row (function address, position of the arguments in the array); then the arguments.
Addresses of operands are (base number, byte offset) pairs, so a table holds for every run: only `bases` differ.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.diagnostics.model import Diagnostic, NotImplementedYet, UndocumentedBehaviour
from nki_sim.engines.jit.context import CONSTANTS, FIRST_HBM, PSUM, SBUF
from nki_sim.engines.jit.layout import (
    Absent,
    Dims,
    Immediate,
    Layout,
    OperandKey,
    RegisterKey,
    Signature,
    TileKey,
)
from nki_sim.engines.jit.lowering import Lowering, Prepare, lowerings
from nki_sim.engines.jit.overlap import Overlaps
from nki_sim.memory.storage import Placement
from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.ir import Instruction, Item, Loop, Program, Register

_FLOAT = struct.Struct("<f")
_BITS = struct.Struct("<i")

# Scratch an instruction may use besides contiguous copies of its operands (see `Table.scratch_bytes`).
SPARE_SCRATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """A read of a register that no instruction before it is sure to have written. what: the instruction, or "loop".

    loops   numbers of the loops before it that write the register in their body: one pass of any is enough
    """

    register: Register
    what: str
    site: int
    loops: tuple[int, ...] = ()


@dataclass(slots=True)
class Table:
    """rows         signature number per row
    positions      position of the row's arguments in `arguments`
    signatures     by number
    instructions   what each row stands for; None for rows that loops add
    loops          by loop number
    faults         by row that only stops: what reads a register that perhaps nothing has written, and where
    constants      bytes that arguments may point to
    scratch_bytes  what the hungriest instruction may need: two copies of its operands at four bytes an element, and
                   some
    """

    rows: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    arguments: list[int] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)
    instructions: list[Instruction | None] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    constants: bytearray = field(default_factory=bytearray)
    scratch_bytes: int = 0

    def linked(self, addresses: list[int]) -> npt.NDArray[np.int64]:
        """The array the compiled runner walks; `addresses` by signature number."""
        count = len(self.rows)
        head = np.empty(1 + 2 * count, np.int64)
        head[0] = count
        head[1::2] = np.array(addresses, np.uint64).view(np.int64)[self.rows]
        head[2::2] = np.array(self.positions, np.int64) + len(head)
        return np.concatenate([head, np.array(self.arguments, np.int64)])


class TableBuilder:
    """Builds the table of one program."""

    def __init__(self, program: Program, placement: Placement, row_bytes: Mapping[str, int]) -> None:
        self.table = Table()
        self._program = program
        self._lowerings = lowerings()
        self._known: dict[tuple[Any, ...], int] = {}
        self._row_bytes = row_bytes
        self._cells: list[int] = []
        self._written: set[int] = set()
        # Register -> loops that write it, and that may make no pass.
        self._perhaps: dict[int, list[int]] = {}
        self._overlaps = Overlaps(program, placement)
        # Per tensor: base number, byte position of its first element, bytes per host row.
        self._homes: dict[int, tuple[int, int, int]] = {}
        self.hbm: list[int] = []
        for tensor in program.tensors:
            if tensor.space == "hbm":
                self._homes[tensor.index] = (FIRST_HBM + len(self.hbm), 0, 0)
                self.hbm.append(tensor.index)
            elif tensor.index in placement:
                partition, offset = placement[tensor.index]
                pitch = row_bytes[tensor.space]
                base = SBUF if tensor.space == "sbuf" else PSUM
                self._homes[tensor.index] = (base, partition * pitch + offset, pitch)

    def build(self) -> Table:
        self._body(self._program.body)
        self._finish_loops()
        return self.table

    # --- instructions ---------------------------------------------------------------------------------------------

    def _body(self, body: list[Item]) -> None:
        for item in body:
            if isinstance(item, Loop):
                self._loop(item)
            else:
                self._instruction(item)

    def _instruction(self, instruction: Instruction) -> None:
        lowering = self._lowerings.get(instruction.op)
        if lowering is None:
            raise self._unknown(instruction)
        operands: dict[str, Any] = instruction.operands
        attributes: dict[str, Any] = instruction.attributes
        if lowering.prepare is not None:
            operands, attributes = self._prepared(instruction, lowering.prepare)
        if self._program.registers:
            self._registers(instruction, lowering)
        table = self.table
        arguments = table.arguments
        start = len(arguments)
        key: list[Any] = [instruction.op]
        tiles: list[tuple[str, AccessPattern]] = []
        for name, operand in operands.items():
            if type(operand) is AccessPattern:
                tiles.append((name, operand))
                base, place, pitch = self._homes[operand.tensor.index]
                partition = operand.partition
                place += operand.offset * operand.dtype.itemsize
                if partition is None:
                    key += (operand.dtype, operand.dims)
                else:
                    place += partition[0] * pitch
                    key += (operand.dtype, operand.dims, partition[1] * pitch, partition[2])
                arguments += (base, place)
                if operand.dynamic is not None:
                    key.append(self._dynamic(operand, operand.dynamic))
                elif operand.vector is not None:
                    key.append(self._rows_of(operand, operand.vector))
            elif operand is None:
                key.append(None)
            elif type(operand) is Register:
                key.append("register")
                arguments.append(operand.index)
            else:
                key.append("number")
                arguments += _number(operand)
        if attributes:
            self._attributes(attributes, lowering, key)
        if lowering.uses_engine:
            key.append(instruction.engine)
        staged = self._overlaps.staged(tiles, lowering) if len(tiles) > 1 else ()
        if staged:
            key.append(staged)
        whole = tuple(key)
        number = self._known.get(whole)
        if number is None:
            number = self._signature(instruction, operands, attributes, lowering, staged)
            self._known[whole] = number
        table.rows.append(number)
        table.positions.append(start)
        table.instructions.append(instruction)

    def _prepared(self, instruction: Instruction, prepare: Prepare) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            return prepare(instruction.operands, instruction.attributes)
        except UndocumentedBehaviour as error:
            spans = self._program.spans(instruction.site)
            raise UndocumentedBehaviour([replace(found, spans=spans) for found in error.diagnostics]) from None

    def _unknown(self, instruction: Instruction) -> NotImplementedYet:
        return NotImplementedYet(
            [
                Diagnostic(
                    code="owed",
                    message=f"{instruction.op}: the JIT engine does not compile it yet",
                    spans=self._program.spans(instruction.site),
                    fix='run the kernel with engine="reference"',
                    owner="simulator",
                )
            ]
        )

    def _registers(self, instruction: Instruction, lowering: Lowering) -> None:
        """Put a stop before an instruction that reads a register nothing has written; note what it writes."""
        for name, operand in instruction.operands.items():
            if isinstance(operand, Register) and name not in lowering.outputs:
                self._reads(operand, instruction.op, instruction.site)
            elif isinstance(operand, AccessPattern) and operand.dynamic is not None:
                self._reads(operand.dynamic.source, instruction.op, instruction.site)
        for name in lowering.outputs:
            written = instruction.operands.get(name)
            if isinstance(written, Register):
                self._written.add(written.index)

    def _reads(self, source: object, what: str, site: int) -> None:
        if isinstance(source, Register) and source.index not in self._written:
            loops = tuple(self._perhaps.get(source.index, ()))
            self.table.faults[len(self.table.rows)] = Fault(source, what, site, loops)
            self._builtin("undefined")

    def _attributes(self, attributes: Mapping[str, Any], lowering: Lowering, key: list[Any]) -> None:
        ignored, runtime = lowering.ignored, lowering.runtime
        for name, value in attributes.items():
            if name in ignored or name in runtime:
                continue
            key.append(("array", value.shape) if isinstance(value, np.ndarray) else value)
        # In the order of the signature's `runtime`: run-time numbers first, then arrays.
        for name in runtime:
            if name in attributes:
                self.table.arguments += _number(attributes[name])
        for name, value in attributes.items():
            if isinstance(value, np.ndarray) and name not in ignored:
                self.table.arguments += (CONSTANTS, self._constant(value))

    def _constant(self, value: npt.NDArray[Any]) -> int:
        blob = self.table.constants
        blob.extend(b"\0" * (-len(blob) % 64))
        place = len(blob)
        blob.extend(np.ascontiguousarray(value).tobytes())
        return place

    def _dynamic(self, pattern: AccessPattern, dynamic: DynamicOffset) -> tuple[Any, ...]:
        size = pattern.dtype.itemsize
        kind: tuple[Any, ...]
        if isinstance(dynamic.source, Register):
            self.table.arguments += (dynamic.source.index, 0)
            kind = ("register",)
        else:
            self.table.arguments += self._place(dynamic.source)
            kind = ("tile", dynamic.source.dtype)
        low, legal = _legal(pattern, pattern.dims, dynamic.multiplier, dynamic.limit)
        self.table.arguments += (dynamic.multiplier * size, low, legal)
        return kind

    def _rows_of(self, pattern: AccessPattern, vector: VectorOffset) -> tuple[Any, ...]:
        self.table.arguments += self._place(vector.index)
        low, legal = _legal(pattern, pattern.dims[1:], vector.multiplier, vector.limit)
        self.table.arguments += (vector.multiplier * pattern.dtype.itemsize, low, legal)
        return ("rows", vector.index.dtype, self._index_stride(vector.index))

    def _index_stride(self, index: AccessPattern) -> int:
        assert index.partition is not None
        _, step, count = index.partition
        if count > 1 or not index.dims:
            return step * self._row_bytes[index.space]
        return index.dims[-1][0] * index.dtype.itemsize

    def _place(self, pattern: AccessPattern) -> tuple[int, int]:
        base, place, pitch = self._homes[pattern.tensor.index]
        place += pattern.offset * pattern.dtype.itemsize
        if pattern.partition is not None:
            place += pattern.partition[0] * pitch
        return base, place

    # --- signatures -----------------------------------------------------------------------------------------------

    def _signature(
        self,
        instruction: Instruction,
        operands: Mapping[str, Any],
        attributes: Mapping[str, Any],
        lowering: Lowering,
        staged: tuple[str, ...],
    ) -> int:
        keys: list[tuple[str, OperandKey]] = []
        elements = 0
        for name, operand in operands.items():
            keys.append((name, self._operand_key(operand, name in staged)))
            if isinstance(operand, AccessPattern):
                elements += operand.elements + 64
        kept: list[tuple[str, Any]] = []
        arrays: list[str] = []
        for name, value in attributes.items():
            if name in lowering.ignored or name in lowering.runtime:
                continue
            if isinstance(value, np.ndarray):
                arrays.append(name)
                value = ("array", value.shape)
            kept.append((name, value))
        if lowering.uses_engine:
            kept.append(("engine", instruction.engine))
        runtime = (*(name for name in lowering.runtime if name in attributes), *arrays)
        self.table.scratch_bytes = max(self.table.scratch_bytes, 8 * elements + SPARE_SCRATCH_BYTES)
        return self._add(Signature(instruction.op, tuple(keys), tuple(kept), runtime))

    def _add(self, signature: Signature) -> int:
        self.table.signatures.append(signature)
        return len(self.table.signatures) - 1

    def _operand_key(self, operand: Any, staged: bool) -> OperandKey:
        if operand is None:
            return Absent()
        if isinstance(operand, Register):
            return RegisterKey()
        if not isinstance(operand, AccessPattern):
            return Immediate()
        dynamic, index = "", None
        if operand.dynamic is not None:
            source = operand.dynamic.source
            dynamic = "register" if isinstance(source, Register) else "tile"
            index = None if isinstance(source, Register) else (source.dtype, 0)
        elif operand.vector is not None:
            dynamic, index = "rows", (operand.vector.index.dtype, self._index_stride(operand.vector.index))
        return TileKey(Layout(operand.dtype, self._dims(operand), operand.on_chip, dynamic, index), staged)

    def _dims(self, pattern: AccessPattern) -> Dims:
        size = pattern.dtype.itemsize
        free = tuple((stride * size, count) for stride, count in pattern.dims)
        if pattern.partition is None:
            return free
        _, step, count = pattern.partition
        return ((step * self._row_bytes[pattern.space], count), *free)

    # --- loops ----------------------------------------------------------------------------------------------------

    def _loop(self, loop: Loop) -> None:
        number = len(self.table.loops)
        self.table.loops.append(loop)
        for bound in (loop.condition, loop.start, loop.stop):
            self._reads(bound, "loop", loop.site)
        written = set(self._written)
        if loop.register is not None:
            self._written.add(loop.register.index)
        top = len(self.table.rows)
        if loop.condition is not None:
            exit_ = self._builtin("loop.test", condition=loop.condition, loop=number, exit=0)
            self._body(loop.body)
            self._builtin("jump", target=top)
        else:
            # `cells` counts from the first hidden cell; its place behind the trip counts is known at the end.
            common = {"register": loop.register, "step": loop.step, "loop": number, "cells": 2 * number}
            exit_ = self._builtin("loop.enter", start=loop.start, stop=loop.stop, exit=0, **common)
            self._body(loop.body)
            self._builtin("loop.next", body=top + 1, **common)
        self.table.arguments[exit_["exit"] + 1] = len(self.table.rows)
        if not _makes_a_pass(loop):
            for register in self._written - written:
                self._perhaps.setdefault(register, []).append(number)
            self._written = written

    def _builtin(self, op: str, **operands: Any) -> dict[str, int]:
        """Add a row of our own; gives the argument position of each operand."""
        table = self.table
        start = len(table.arguments)
        places: dict[str, int] = {}
        for name, operand in operands.items():
            places[name] = len(table.arguments)
            if isinstance(operand, Register):
                table.arguments.append(operand.index)
            elif operand is not None:
                table.arguments += _number(operand)
                if name == "cells":
                    self._cells.append(places[name] + 1)
        keys = tuple((name, self._operand_key(operand, False)) for name, operand in operands.items())
        whole = (op, keys)
        number = self._known.get(whole)
        if number is None:
            number = self._known[whole] = self._add(Signature(op, keys))
        table.rows.append(number)
        table.positions.append(start)
        table.instructions.append(None)
        return places

    def _finish_loops(self) -> None:
        for place in self._cells:
            self.table.arguments[place] += 1 + len(self.table.loops)


def _makes_a_pass(loop: Loop) -> bool:
    if loop.condition is not None or not isinstance(loop.start, int) or not isinstance(loop.stop, int):
        return False
    return len(range(loop.start, loop.stop, loop.step)) > 0


def _number(value: Any) -> tuple[int, int]:
    """fp32 bits and integer value of a number."""
    single = float(value)
    try:
        packed = _FLOAT.pack(single)
    except OverflowError:
        packed = _FLOAT.pack(float("inf") if single > 0 else float("-inf"))
    whole = int(value) if single == single and abs(single) != float("inf") else 0
    return _BITS.unpack(packed)[0], ((whole + 2**63) & (2**64 - 1)) - 2**63


def _legal(pattern: AccessPattern, dims: tuple[tuple[int, int], ...], multiplier: int, limit: int) -> tuple[int, int]:
    """(lowest, number) of the v for which 0 <= v < limit and the pattern moved by v * multiplier stays inside."""
    low, high = pattern.replace(dims=dims, dynamic=None, vector=None).free_extent()
    size = pattern.dtype.itemsize
    room = pattern.tensor.bytes_per_partition // size
    first, last = 0, limit - 1
    if multiplier > 0:
        first = max(first, -(low // multiplier))
        last = min(last, (room - high) // multiplier)
    elif low < 0 or high > room:
        last = first - 1
    return first, max(0, last - first + 1)
