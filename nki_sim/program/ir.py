"""Program, Instruction, Loop, Register, TensorDecl: the flat form every later stage reads.

Non-goals: nothing here checks, allocates, runs or times; see checks/, memory/, engines/, timing/.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nki_sim.program.access import AccessPattern, contiguous_dims
from nki_sim.program.dtypes import DType
from nki_sim.program.spans import SiteTable, SourceSpan

Space = Literal["hbm", "sbuf", "psum"]
Role = Literal["input", "output", "local", "constant"]


@dataclass(eq=False, slots=True, kw_only=True)
class TensorDecl:
    """One allocation.

    buffer    the NKI buffer it was asked for: "sbuf", "psum", "hbm", "shared_hbm" or "private_hbm"
    shape     on chip the first dimension is the partition dimension
    role      input: an argument (also written when `written` is set); output: returned to the caller;
              constant: filled by the compiler, see Program.constants; local: everything else
    address   (partition, byte offset in the partition) when the kernel placed it, else None
    site      where it was allocated
    position  number of instructions recorded before it was allocated (its life begins there)
    depth     number of device loops open where it was allocated (tells "just before a loop" from "first in its body")
    """

    index: int
    name: str
    space: Space
    buffer: str
    shape: tuple[int, ...]
    dtype: DType
    role: Role = "local"
    address: tuple[int, int] | None = None
    site: int = -1
    position: int = 0
    depth: int = 0
    written: bool = False

    @property
    def partitions(self) -> int:
        return 1 if self.space == "hbm" else self.shape[0]

    @property
    def free_shape(self) -> tuple[int, ...]:
        return self.shape if self.space == "hbm" else self.shape[1:]

    @property
    def free_elements(self) -> int:
        """Elements per partition on chip, all elements in HBM."""
        total = 1
        for count in self.free_shape:
            total *= count
        return total

    @property
    def bytes_per_partition(self) -> int:
        """Bytes in each partition on chip, all bytes in HBM."""
        total = self.dtype.itemsize
        for count in self.shape if self.space == "hbm" else self.shape[1:]:
            total *= count
        return total

    @property
    def nbytes(self) -> int:
        return self.partitions * self.bytes_per_partition

    def whole(self) -> AccessPattern:
        """The pattern of all elements in row-major order."""
        partition = None if self.space == "hbm" else (0, 1, self.shape[0])
        return AccessPattern(self, self.dtype, partition, 0, contiguous_dims(self.free_shape))


@dataclass(eq=False, slots=True)
class Register:
    """A 32-bit register of an engine's sequencer, known by number."""

    index: int
    name: str = ""

    def __repr__(self) -> str:
        return f"r{self.index}"


Operand = AccessPattern | Register | float | int | None


class Instruction:
    """One named instruction.

    op          name of its `.isa` block
    operands    by operand name, in the order of the block; absent optional operands are None
    attributes  by name, plain values: numbers, strings (operator names), tuples, None
    engine      "tensor", "vector", "scalar", "gpsimd", "sync" or "dma": who executes it
    site        number in Program.sites
    label       the `name=` the kernel gave
    form        the same number for instructions that were recorded alike but for tensors, offsets and the values of
                immediates; -1 when nobody knows. Whoever changes a recorded instruction sets it to -1.
    """

    __slots__ = ("attributes", "engine", "form", "label", "op", "operands", "site")

    def __init__(
        self,
        op: str,
        operands: dict[str, Operand],
        attributes: dict[str, Any],
        engine: str,
        site: int = -1,
        label: str | None = None,
        form: int = -1,
    ) -> None:
        self.op = op
        self.operands = operands
        self.attributes = attributes
        self.engine = engine
        self.site = site
        self.label = label
        self.form = form

    def __repr__(self) -> str:
        from nki_sim.program.printer import format_instruction

        return format_instruction(self)


@dataclass(eq=False, slots=True, kw_only=True)
class Loop:
    """A region the device repeats.

    Counted: `register` runs from start to stop (exclusive) by step, each an int or a Register.
    Conditional: `condition` is tested before each pass; the region repeats while it is not zero.
    """

    body: list[Instruction | Loop] = field(default_factory=list)
    register: Register | None = None
    start: int | Register = 0
    stop: int | Register = 0
    step: int = 1
    condition: Register | None = None
    site: int = -1


Item = Instruction | Loop


@dataclass(eq=False, slots=True, kw_only=True)
class Program:
    """A specialised kernel.

    tensors    every allocation, by index
    inputs     the arguments that became tensors, in order
    outputs    the tensors returned, in order; empty when the kernel only writes its arguments
    results    the view of each output that the kernel returned
    returns    how to give results back: "none", "one", "tuple" or "list"
    constants  values of the tensors with role "constant", by tensor index, in their storage type
    """

    name: str
    target: str
    tensors: list[TensorDecl] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    body: list[Item] = field(default_factory=list)
    inputs: list[TensorDecl] = field(default_factory=list)
    outputs: list[TensorDecl] = field(default_factory=list)
    results: list[AccessPattern] = field(default_factory=list)
    returns: Literal["none", "one", "tuple", "list"] = "none"
    constants: dict[int, npt.NDArray[np.generic]] = field(default_factory=dict)
    sites: SiteTable = field(default_factory=SiteTable)

    def instructions(self) -> Iterator[Instruction]:
        """Every instruction in program order, each loop body once."""
        return _flatten(self.body)

    def spans(self, site: int) -> tuple[SourceSpan, ...]:
        return self.sites.spans(site)

    def __len__(self) -> int:
        return sum(1 for _ in self.instructions())

    def __str__(self) -> str:
        from nki_sim.program.printer import format_program

        return format_program(self)


def _flatten(body: list[Item]) -> Iterator[Instruction]:
    for item in body:
        if isinstance(item, Loop):
            yield from _flatten(item.body)
        else:
            yield item
