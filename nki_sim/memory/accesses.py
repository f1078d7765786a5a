"""Which patterns an instruction reads and which it writes, and the flat order of a program with its loops.

Which operands are written stands in the `.isa` blocks (InstructionSpec.outputs); here is when their old content shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from nki_sim.instructions.roles import WRITTEN
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction, Item, Loop, Program, Register, TensorDecl

Kind = Literal["data", "index", "predicate", "kept"]
"""What a read value is used for; "kept" is the old content of a destination that survives where nothing is written."""

Read = tuple[str, AccessPattern, Kind]
Write = tuple[str, AccessPattern]

_PREDICATES = frozenset({"predicate"})
_MAY_KEEP = frozenset({"nc_matmul", "tensor_copy_predicated", "nc_stream_shuffle", "dma_copy"})
# Masks entries of nc_stream_shuffle that leave the partition as it is (nki.isa.nc_stream_shuffle).
SHUFFLE_KEEP = 255


def keeps_destination(instruction: Instruction) -> bool:
    """Whether (part of) the old content of dst shows in the result.

    An nc_matmul whose accumulate flag is not resolved yet counts as a writer: the first one into an allocation is.
    """
    op = instruction.op
    if op == "nc_matmul":
        flag = instruction.attributes.get("accumulate")
        return flag is not None and flag is not False
    if op == "tensor_copy_predicated":
        return True
    if op == "nc_stream_shuffle":
        return SHUFFLE_KEEP in instruction.attributes.get("shuffle_mask", ())
    if op == "dma_copy" and instruction.attributes.get("oob_mode") == "skip":
        return any(isinstance(value, AccessPattern) and value.is_dynamic for value in instruction.operands.values())
    return False


def split(instruction: Instruction) -> tuple[tuple[Read, ...], tuple[Write, ...]]:
    """(reads, writes) of one instruction: patterns with operand names; index tiles of dynamic patterns are reads."""
    reads: list[Read] = []
    writes: list[Write] = []
    written = WRITTEN[instruction.op]
    for name, value in instruction.operands.items():
        if type(value) is not AccessPattern:
            continue
        if name in written:
            writes.append((name, value))
            if name == "dst" and instruction.op in _MAY_KEEP and keeps_destination(instruction):
                reads.append((name, value, "kept"))
        else:
            reads.append((name, value, "predicate" if name in _PREDICATES else "data"))
        if value.dynamic is not None and isinstance(value.dynamic.source, AccessPattern):
            reads.append((f"{name} offset", value.dynamic.source, "index"))
        if value.vector is not None:
            reads.append((f"{name} offset", value.vector.index, "index"))
    return tuple(reads), tuple(writes)


def registers_read(instruction: Instruction) -> tuple[Register, ...]:
    """Registers whose value the instruction needs."""
    found: list[Register] = []
    for name, value in instruction.operands.items():
        if type(value) is Register:
            if name not in WRITTEN[instruction.op]:
                found.append(value)
        elif type(value) is AccessPattern and value.dynamic is not None:
            source = value.dynamic.source
            found += [source] if isinstance(source, Register) else []
    return tuple(found)


def register_written(instruction: Instruction) -> Register | None:
    value = instruction.operands.get("dst")
    return value if isinstance(value, Register) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRange:
    """A Loop in flat order: instructions start to stop (exclusive). depth 1 is outermost; parent -1 is none."""

    start: int
    stop: int
    depth: int
    parent: int
    loop: Loop


@dataclass(eq=False, slots=True, kw_only=True)
class FlatProgram:
    """A program in flat order, every loop body once.

    accesses   (reads, writes) of each instruction
    loops      in pre-order; `inside[i]` is the index of the innermost loop around instruction i, or -1
    """

    program: Program
    instructions: list[Instruction] = field(default_factory=list)
    accesses: list[tuple[tuple[Read, ...], tuple[Write, ...]]] = field(default_factory=list)
    loops: list[LoopRange] = field(default_factory=list)
    inside: list[int] = field(default_factory=list)

    def home(self, tensor: TensorDecl) -> int:
        """The innermost loop whose body allocates `tensor`, or -1.

        `TensorDecl.position` alone cannot tell a tensor allocated just before a loop from one allocated first thing in
        its body; `depth`, the number of loops open at the allocation, decides.
        """
        found = -1
        for number, loop in enumerate(self.loops):
            first_thing = tensor.position == loop.start and tensor.depth >= loop.depth
            if (loop.start < tensor.position or first_thing) and tensor.position < loop.stop:
                found = number
        return found

    def chain(self, loop: int) -> list[int]:
        """`loop` and the loops around it, innermost first."""
        out: list[int] = []
        while loop >= 0:
            out.append(loop)
            loop = self.loops[loop].parent
        return out


def flatten(program: Program) -> FlatProgram:
    """The flat form of `program`; costs a few microseconds per instruction, so passes share it."""
    flat = FlatProgram(program=program)
    _flatten(flat, program.body, -1, 1)
    return flat


def _flatten(flat: FlatProgram, body: list[Item], loop: int, depth: int) -> None:
    for item in body:
        if isinstance(item, Loop):
            number = len(flat.loops)
            start = len(flat.instructions)
            placeholder: Any = None
            flat.loops.append(placeholder)
            _flatten(flat, item.body, number, depth + 1)
            flat.loops[number] = LoopRange(
                start=start, stop=len(flat.instructions), depth=depth, parent=loop, loop=item
            )
        else:
            flat.instructions.append(item)
            flat.accesses.append(split(item))
            flat.inside.append(loop)
