"""Context: what a lowering gets to emit the body of one compiled function. Lowerings code against this file.

Every compiled function is ``i64 f(ptr bases, ptr args, i64 pc)``: it returns the next program counter, or a negative
number to stop (see runner.py). `bases` points to the memories, `args` to this instruction's row of the table.

A family's lowering.py holds ``LOWERING: dict[str, Lowering | emit]`` by instruction name (see lowering.py for the
options of a `Lowering`), where `emit` is a function ``(ctx: Context) -> None``. It finds operands by name and emits
straight-line code with `ctx.builder`; the return is emitted for it. The usual shape::

    def emit(ctx):
        dst, data = ctx.tile("dst"), ctx.tile("data")
        scale = ctx.row_scalar("scale")            # immediate or (P, 1) tile, one fp32 per partition

        def visit(cursor):                          # called while emitting, for the main loop and for the remainder
            x = cursor.load(data)                   # <16 x float>
            y = ctx.builder.fmul(x, cursor.value(scale))
            cursor.store(dst, y)                    # rounds to dst's dtype

        ctx.walk([dst, data], visit, scalars=[scale])

Vectors always have `LANES` = 16 lanes, whatever the host; LLVM splits them. In the last step of a row some lanes may be
idle: `cursor.count` lanes are active, the others hold zeros when loaded and are not stored. A reduction must call
``cursor.active(value, fill)`` to put its identity into idle lanes.

Operands that overlap an output in a way that could make the order of writes visible have been copied aside before the
lowering sees them, so a lowering may always read and write in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from nki_sim.engines.jit.emitter import Variable
from nki_sim.engines.jit.layout import Absent, Immediate, Layout, RegisterKey, Signature, TileKey
from nki_sim.engines.jit.tiles import Affine, RowPointers, RowScalar, Tile
from nki_sim.engines.jit.types import FLOAT, INT32, INT64, POINTER
from nki_sim.engines.jit.walks import Cursor, Row, Walks

__all__ = ["Affine", "Context", "Cursor", "Row", "RowPointers", "RowScalar", "Tile", "Variable", "slots_of"]

# Places in `bases`. HBM tensors follow from FIRST_HBM on.
SBUF, PSUM, REGISTERS, ACCUMULATORS, SCRATCH, STATE, CONSTANTS, FIRST_HBM = range(8)

# Reasons to stop. A function stops by returning -(pc * 4 + reason); the runner takes it apart.
STOP_BOUNDS, STOP_PRINT, STOP_UNDEFINED, STOP_PAUSE = 1, 2, 3, 4
# A stop is -(row * STOP_CODES + reason).
STOP_CODES = 8

SLOTS = 2
"""Table slots of an immediate or a fixed tile; see table.py for the order."""


class Context(Walks):
    """One function under construction.

    builder     where code goes
    attributes  the instruction's attributes that the code is specialised for
    """

    def __init__(self, function: ir.Function, signature: Signature) -> None:
        super().__init__(function)
        self.signature = signature
        self.attributes: Mapping[str, Any] = dict(signature.attributes)
        self._operands = dict(signature.operands)
        self.bases, self.args, self.pc = function.args
        self._slots: dict[str, int] = {}
        self._tiles: dict[str, Tile] = {}
        self._scratch_bytes = 0
        slot = 0
        for name, key in signature.operands:
            self._slots[name] = slot
            slot += slots_of(key)
        for name in signature.runtime:
            self._slots["." + name] = slot
            slot += SLOTS

    def finish(self) -> None:
        """Close the function: go on with the next instruction."""
        if not self.builder.block.is_terminated:
            self.builder.ret(self.builder.add(self.pc, INT64(1)))
        self._allocas.branch(self._body)

    # --- operands -------------------------------------------------------------------------------------------------

    def is_tile(self, name: str) -> bool:
        return isinstance(self._operands.get(name), TileKey)

    def is_absent(self, name: str) -> bool:
        return isinstance(self._operands.get(name, Absent()), Absent)

    def is_register(self, name: str) -> bool:
        return isinstance(self._operands.get(name), RegisterKey)

    def tile(self, name: str) -> Tile:
        """The tile operand `name`. Emits its bounds check when its start is dynamic."""
        found = self._tiles.get(name)
        if found is None:
            key = self._operands[name]
            assert isinstance(key, TileKey), f"{name} is no tile"
            found = self._tile(name, key.layout)
            if key.staged:
                found = self.staged(found)
            self._tiles[name] = found
        return found

    def immediate(self, name: str) -> ir.Value:
        """A number as fp32: an operand given as one, or a run-time attribute."""
        bits = self._argument(self._slot_of(name))
        return self.builder.bitcast(self.builder.trunc(bits, INT32), FLOAT)

    def integer(self, name: str) -> ir.Value:
        """A number as i64, likewise."""
        return self._argument(self._slot_of(name) + 1)

    def register(self, name: str) -> ir.Value:
        """Address of a register operand's 32-bit cell."""
        registers = self.base(REGISTERS)
        return self.builder.gep(registers, [self._argument(self._slots[name])], source_etype=INT32)

    def row_scalar(self, name: str) -> RowScalar:
        """An operand that is an fp32 number or a (P, 1) tile."""
        if self.is_tile(name):
            return RowScalar(self.tile(name), None)
        return RowScalar(None, self.immediate(name))

    def accumulators(self, engine: int) -> ir.Value:
        """Address of 128 fp32 accumulator registers: engine 0 is ScalarE's set, 1 VectorE's."""
        base = self.base(ACCUMULATORS)
        return self.builder.gep(base, [INT64(128 * engine)], source_etype=FLOAT)

    def base(self, number: int) -> ir.Value:
        """Start of a memory: SBUF, PSUM, ..."""
        return self.builder.load(self._base_slot(INT64(number)), typ=POINTER)

    def _slot_of(self, name: str) -> int:
        return self._slots["." + name] if "." + name in self._slots else self._slots[name]

    def _argument(self, slot: int) -> ir.Value:
        return self.builder.load(self.builder.gep(self.args, [INT64(slot)], source_etype=INT64), typ=INT64)

    def _base_slot(self, number: ir.Value) -> ir.Value:
        return self.builder.gep(self.bases, [number], source_etype=POINTER)

    def _address(self, slot: int) -> ir.Value:
        base = self.builder.load(self._base_slot(self._argument(slot)), typ=POINTER)
        return self.offset(base, self._argument(slot + 1))

    def _tile(self, name: str, layout: Layout) -> Tile:
        slot = self._slots[name]
        pointer = self._address(slot)
        rows: RowPointers | None = None
        if layout.dynamic:
            multiplier = self._argument(slot + 4)
            low, legal = self._argument(slot + 5), self._argument(slot + 6)
            if layout.dynamic == "rows":
                assert layout.index is not None
                rows = RowPointers(self._address(slot + 2), layout.index[0], layout.index[1], multiplier, low, legal)
            else:
                value = self._dynamic_value(slot + 2, layout)
                self.check_bounds(self.in_bounds(value, low, legal))
                pointer = self.offset(pointer, self.builder.mul(value, multiplier))
        return Tile(layout.dtype, pointer, layout.dims, layout.on_chip, rows)

    def _dynamic_value(self, slot: int, layout: Layout) -> ir.Value:
        if layout.dynamic == "register":
            registers = self.base(REGISTERS)
            cell = self.builder.gep(registers, [self._argument(slot)], source_etype=INT32)
            return self.builder.sext(self.builder.load(cell, typ=INT32), INT64)
        assert layout.index is not None
        return self.load_index(self._address(slot), layout.index[0])

    def in_bounds(self, value: ir.Value, low: ir.Value, legal: ir.Value) -> ir.Value:
        """Whether low <= value < low + legal (i64), as i1."""
        return self.builder.icmp_unsigned("<", self.builder.sub(value, low), legal)

    def check_bounds(self, fine: ir.Value) -> None:
        """Stop here (or skip the instruction, for oob_mode "skip") unless `fine` (i1)."""
        with self.unlikely(self.builder.not_(fine)):
            if self.attributes.get("oob_mode") == "skip":
                self.builder.ret(self.builder.add(self.pc, INT64(1)))
            else:
                self.stop(STOP_BOUNDS)

    def stop(self, reason: int) -> None:
        """Leave the compiled runner at this instruction."""
        self.builder.ret(self.builder.sub(INT64(-reason), self.builder.mul(self.pc, INT64(STOP_CODES))))

    def scratch(self, nbytes: int) -> ir.Value:
        """Address of `nbytes` of memory for this instruction, 64-byte aligned. See table.scratch_bytes for the
        budget."""
        base = self.base(SCRATCH)
        place = self.offset(base, INT64(self._scratch_bytes))
        self._scratch_bytes += (nbytes + 127) // 64 * 64
        return place

    def constant(self, name: str) -> ir.Value:
        """Address of an attribute that is a NumPy array (C-contiguous bytes), which reads ("array", shape)."""
        return self._address(self._slots["." + name])


def slots_of(key: object) -> int:
    """Table slots of an operand.

    A tile has its base number and byte offset; with a dynamic start also base number and offset of the index (or a
    register's number), multiplier in bytes, lowest legal value and number of legal values. An immediate has its fp32
    bits and its integer value, a register its number, an absent operand nothing.
    """
    if isinstance(key, TileKey):
        return 7 if key.layout.dynamic else 2
    if isinstance(key, Immediate):
        return SLOTS
    return 1 if isinstance(key, RegisterKey) else 0
