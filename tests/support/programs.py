"""Tiny hand-made programs around one instruction, for tests that run the same body on every engine.

A `Tile` says what an operand holds and how it lies in memory; `run` builds a Program that brings every tile into place
by DMA, executes the instruction, brings everything back, and returns what each whole allocation then holds. Nothing of
the front end, the checks or the allocator takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nki_sim.program.access import AccessPattern, contiguous_dims
from nki_sim.program.dtypes import DType, dtype_of
from nki_sim.program.ir import Instruction, Item, Loop, Program, Register, TensorDecl
from nki_sim.targets import load

Prepare = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a tile lies inside its allocation, and the allocation in memory.

    first_partition  physical partition of the allocation
    skip_partitions  partitions of the allocation before the tile
    step             stride of the last dimension, in elements
    before, after    elements before and after the tile in each partition (in all, for HBM)
    shift_bytes      bytes added to the allocation's address, to break alignment
    """

    first_partition: int = 0
    skip_partitions: int = 0
    step: int = 1
    before: int = 0
    after: int = 0
    shift_bytes: int = 0


PLAIN = Layout()


@dataclass(frozen=True, kw_only=True)
class Tile:
    """An operand: its values in storage type (partition dimension first on chip), data type, space and layout."""

    values: np.ndarray[Any, Any]
    dtype: DType
    space: str = "sbuf"
    layout: Layout = PLAIN


def tile(values: Any, dtype: object = None, space: str = "sbuf", **layout: int) -> Tile:
    """A Tile; `dtype` defaults to the one that stores `values`. Values of another NumPy type are converted."""
    array = np.asarray(values)
    named = dtype_of(array.dtype if dtype is None else dtype)
    if array.dtype != named.storage:
        array = array.astype(named.storage)
    return Tile(values=array, dtype=named, space=space, layout=Layout(**layout))


@dataclass(frozen=True)
class Alias:
    """An operand that is the same tile as another one."""

    name: str


@dataclass
class Result:
    """What a run left behind.

    whole    by operand name, the entire allocation after the run
    before   the same before the run
    """

    patterns: dict[str, AccessPattern]
    whole: dict[str, np.ndarray[Any, Any]]
    before: dict[str, np.ndarray[Any, Any]]
    printed: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        """The values of the operand's tile, in storage type and the tile's shape."""
        pattern = self.patterns[name]
        rows = _rows(pattern, self.whole[name])
        return np.array([rows[place] for place in pattern.element_offsets()], rows.dtype).reshape(pattern.shape)

    def surroundings_changed(self, name: str) -> bool:
        """Whether any byte of the allocation outside the tile differs from before."""
        pattern = self.patterns[name]
        after, before = (_rows(pattern, a[name]).copy() for a in (self.whole, self.before))
        for place in pattern.element_offsets():
            after[place] = before[place]
        return after.tobytes() != before.tobytes()


def _rows(pattern: AccessPattern, whole: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[partition, element] view of an allocation."""
    return whole.reshape(1 if pattern.partition is None else whole.shape[0], -1)


class Builder:
    """Builds a Program and its placement by hand.

    `add_tile` allocates and fills; `instruction` and `body` take instructions; `finish` adds the way back. With
    `target="trn2"` the limits are those of that target, but nothing checks them.
    """

    def __init__(self, target: str = "trn2") -> None:
        self.program = Program(name="hand_made", target=target)
        self.placement: dict[int, tuple[int, int]] = {}
        self.hbm: dict[int, np.ndarray[Any, Any]] = {}
        self._free = {"sbuf": 0, "psum": 0}
        self._generator = np.random.default_rng(20)

    def tensor(self, space: str, shape: Sequence[int], dtype: DType, role: str = "local", **where: int) -> TensorDecl:
        """An allocation; on chip behind the ones before it, at `first_partition` and `shift_bytes`."""
        buffer = "shared_hbm" if space == "hbm" else space
        decl = TensorDecl(
            index=len(self.program.tensors), name="", space=space, buffer=buffer, shape=tuple(shape), dtype=dtype,
            role=role, written=role == "output",
        )  # fmt: skip
        self.program.tensors.append(decl)
        if space == "hbm":
            self.hbm[decl.index] = np.zeros(decl.shape, dtype.storage)
        else:
            # A PSUM tile starts at a bank where it fits one: some engines may rely on it.
            align = 2048 if space == "psum" else 64
            start = -(-self._free[space] // align) * align + where.get("shift_bytes", 0)
            self.placement[decl.index] = (where.get("first_partition", 0), start)
            self._free[space] = start + decl.bytes_per_partition
        return decl

    def register(self) -> Register:
        register = Register(len(self.program.registers))
        self.program.registers.append(register)
        return register

    def emit(self, op: str, operands: Mapping[str, Any], attributes: Mapping[str, Any], engine: str) -> Instruction:
        instruction = Instruction(op, dict(operands), dict(attributes), engine)
        self.program.body.append(instruction)
        return instruction

    def copy(self, dst: TensorDecl, src: TensorDecl) -> None:
        """Whole allocation to whole allocation: DMA, by way of SBUF where PSUM is an end."""
        if "psum" in (dst.space, src.space) and "hbm" in (dst.space, src.space):
            between = self.tensor("sbuf", (dst if dst.space == "psum" else src).shape, dst.dtype)
            self.copy(between, src)
            self.copy(dst, between)
        elif "hbm" in (dst.space, src.space):
            attributes = {"oob_mode": "error", "dge_mode": None, "engine": None, "priority": None}
            self.emit("dma_copy", {"dst": dst.whole(), "src": src.whole()}, attributes, "dma")
        else:
            self.emit("tensor_copy", {"dst": dst.whole(), "src": src.whole()}, {"engine": None}, "vector")

    def add_tile(self, one: Tile) -> tuple[TensorDecl, AccessPattern, np.ndarray[Any, Any]]:
        """Allocate, lay out and fill a tile: (allocation, pattern, what the whole allocation holds)."""
        where, on_chip = one.layout, one.space != "hbm"
        free = one.values.shape[1:] if on_chip else one.values.shape
        dims = tuple((stride * where.step, count) for stride, count in contiguous_dims(free))
        extent = 1 + sum(stride * (count - 1) for stride, count in dims)
        length = where.before + extent + where.after
        rows = where.skip_partitions + one.values.shape[0] if on_chip else 1
        shape = (rows, length) if on_chip else (length,)
        decl = self.tensor(
            one.space, shape, one.dtype, "local" if on_chip else "input",
            first_partition=where.first_partition, shift_bytes=where.shift_bytes,
        )  # fmt: skip
        partition = (where.skip_partitions, 1, one.values.shape[0]) if on_chip else None
        pattern = AccessPattern(decl, one.dtype, partition, where.before, dims)
        whole = self._generator.integers(0, 60, (rows, length * one.dtype.itemsize), np.uint8).view(one.dtype.storage)
        for place, value in zip(pattern.element_offsets(), one.values.reshape(-1), strict=True):
            whole[place] = value
        whole = whole.reshape(shape)
        if on_chip:
            staging = self.tensor("hbm", shape, one.dtype, "input")
            self.hbm[staging.index] = whole.copy()
            self.copy(decl, staging)
        else:
            self.hbm[decl.index] = whole.copy()
        return decl, pattern, whole

    def bring_back(self, decl: TensorDecl) -> TensorDecl:
        """An HBM tensor that receives the allocation at this point of the program."""
        if decl.space == "hbm":
            return decl
        out = self.tensor("hbm", decl.shape, decl.dtype, "output")
        self.copy(out, decl)
        return out

    def run(self, prepare: Prepare) -> list[str]:
        """Run the program on an engine; results are in `hbm`. Returns the printed lines."""
        lines: list[str] = []
        runner = prepare(self.program, self.placement, load(self.program.target))
        runner(self.hbm, lines.append)
        return lines


def run(
    prepare: Prepare,
    op: str,
    operands: Mapping[str, Any],
    attributes: Mapping[str, Any],
    engine: str = "vector",
    target: str = "trn2",
) -> Result:
    """Execute one instruction on an engine. Operands are Tiles, Aliases, numbers, Registers or None."""
    return run_sequence(prepare, [(op, operands, attributes, engine)], target)


def run_sequence(prepare: Prepare, calls: Sequence[tuple[Any, ...]], target: str = "trn2") -> Result:
    """Execute instructions (op, operands, attributes, engine) in order.

    Operand names of the i-th instruction stand in the Result as they are when there is one instruction, and as "i.name"
    when there are more; an Alias names the operand of an earlier place the same way.
    """
    builder = Builder(target)
    decls: dict[str, TensorDecl] = {}
    patterns: dict[str, AccessPattern] = {}
    before: dict[str, np.ndarray[Any, Any]] = {}
    pending: list[Item] = []
    for number, (op, operands, attributes, engine) in enumerate(calls):
        resolved: dict[str, Any] = {}
        for name, value in operands.items():
            key = name if len(calls) == 1 else f"{number}.{name}"
            if isinstance(value, Tile):
                decls[key], patterns[key], before[key] = builder.add_tile(value)
            elif isinstance(value, Alias):
                decls[key], patterns[key], before[key] = (d[value.name] for d in (decls, patterns, before))
            else:
                resolved[name] = value
                continue
            resolved[name] = patterns[key]
        pending.append(Instruction(op, resolved, dict(attributes), engine))
    builder.program.body += pending
    outputs = {key: builder.bring_back(decl) for key, decl in decls.items()}
    printed = builder.run(prepare)
    whole = {key: builder.hbm[decl.index] for key, decl in outputs.items()}
    return Result(patterns, whole, before, printed)


__all__ = ["PLAIN", "Alias", "Builder", "Layout", "Loop", "Result", "Tile", "run", "run_sequence", "tile"]
