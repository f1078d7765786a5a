"""Layout: all that compiled code must know about an operand except where it starts.

Two instructions whose operands have equal layouts share one compiled function; addresses are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nki_sim.program.dtypes import DType

Dims = tuple[tuple[int, int], ...]
"""(stride in bytes, count), outermost first."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape in memory of one tile operand.

    dtype      the type its bytes are read as
    dims       (byte stride, count) of every dimension; on chip the partition dimension is the first
    on_chip    whether dims[0] counts partitions
    dynamic    "" (fixed start), "register" or "tile" (start known while running), "rows" (a row number per partition)
    index      for dynamic "tile" and "rows": the type and the byte stride of the tile that holds the offsets
    """

    dtype: DType
    dims: Dims
    on_chip: bool
    dynamic: str = ""
    index: tuple[DType, int] | None = None

    @property
    def elements(self) -> int:
        return count_of(self.dims)


@dataclass(frozen=True, slots=True)
class TileKey:
    """A tile operand in a signature.

    staged   it overlaps an output, so it is copied aside before anything is written
    """

    layout: Layout
    staged: bool = False


@dataclass(frozen=True, slots=True)
class Immediate:
    """A number known when the table is built; passed as an argument, so it is not part of the signature."""


@dataclass(frozen=True, slots=True)
class RegisterKey:
    """A register operand; its number is an argument."""


@dataclass(frozen=True, slots=True)
class Absent:
    """An optional operand that was left out."""


OperandKey = TileKey | Immediate | RegisterKey | Absent

AttributeValue = object


@dataclass(frozen=True, slots=True)
class Signature:
    """What one compiled function is specialised for.

    op          name of the instruction
    operands    by name, in block order
    attributes  those that change the code, by name; attributes passed while running are left out
    oob_skip    whether an out-of-bounds dynamic address is skipped (otherwise it stops the program)
    """

    op: str
    operands: tuple[tuple[str, OperandKey], ...]
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    runtime: tuple[str, ...] = field(default=())

    def text(self) -> str:
        """A stable text: the same for equal signatures, in every process."""
        return repr(self)


def count_of(dims: Dims) -> int:
    """The number of elements of `dims`."""
    total = 1
    for _, count in dims:
        total *= count
    return total


def row_major(counts: tuple[int, ...], itemsize: int) -> Dims:
    """Contiguous dims for `counts`."""
    dims: list[tuple[int, int]] = []
    stride = itemsize
    for count in reversed(counts):
        dims.append((stride, count))
        stride *= count
    return tuple(reversed(dims))


def self_overlapping(dims: Dims) -> bool:
    """Whether two elements may share bytes, so that the order of writes shows (strides not nested)."""
    reach = 0
    for stride, count in sorted((abs(stride), count) for stride, count in dims if count > 1):
        if stride <= reach:
            return True
        reach += stride * (count - 1)
    return False
