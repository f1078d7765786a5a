"""AccessPattern: which elements of a tensor an instruction reads or writes, in which order.

Units: counts, strides and offsets of free dimensions are in *elements of the pattern's dtype*; partitions are counted
in partitions. Order is row-major over (partition, dims...). Views of the language compose to exactly this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nki_sim.program.dtypes import DType
    from nki_sim.program.ir import Register, TensorDecl

Dim = tuple[int, int]
"""(stride, count) of one dimension."""


@dataclass(frozen=True, slots=True)
class DynamicOffset:
    """A start known only while running: `source` (a register, or a 1x1 on-chip pattern) times `multiplier` elements.

    limit   the number of legal values; a value outside [0, limit) is out of bounds
    """

    source: Register | AccessPattern
    multiplier: int
    limit: int


@dataclass(frozen=True, slots=True)
class VectorOffset:
    """A row per partition: row p of the pattern starts at ``index[p] * multiplier`` elements (HBM tensors only).

    index   a (P, 1) on-chip pattern of row numbers
    limit   the number of rows; a value outside [0, limit) is out of bounds
    """

    index: AccessPattern
    multiplier: int
    limit: int


class AccessPattern:
    """Elements of `tensor`, read as `dtype`.

    On chip, `partition` is (start, step, count) and dims are the free dimensions; in HBM `partition` is None and dims
    are all dimensions. Immutable; equality is by value (tensors by identity).
    """

    __slots__ = ("dims", "dtype", "dynamic", "offset", "partition", "region", "tensor", "vector")

    tensor: TensorDecl
    dtype: DType
    partition: tuple[int, int, int] | None
    offset: int
    dims: tuple[Dim, ...]
    dynamic: DynamicOffset | None
    vector: VectorOffset | None
    region: tuple[int, int, int, int, int] | None
    """What timing.regions worked out for this very object; no part of its value."""

    def __init__(
        self,
        tensor: TensorDecl,
        dtype: DType,
        partition: tuple[int, int, int] | None,
        offset: int,
        dims: tuple[Dim, ...],
        dynamic: DynamicOffset | None = None,
        vector: VectorOffset | None = None,
    ) -> None:
        self.tensor = tensor
        self.dtype = dtype
        self.partition = partition
        self.offset = offset
        self.dims = dims
        self.dynamic = dynamic
        self.vector = vector
        self.region = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Counts of all dimensions; on chip the partition count comes first."""
        counts = [count for _, count in self.dims]
        return tuple(counts) if self.partition is None else (self.partition[2], *counts)

    @property
    def space(self) -> str:
        return self.tensor.space

    @property
    def on_chip(self) -> bool:
        return self.partition is not None

    @property
    def elements(self) -> int:
        """Number of elements over all dimensions."""
        total = 1 if self.partition is None else self.partition[2]
        for _, count in self.dims:
            total *= count
        return total

    @property
    def free_elements(self) -> int:
        """Elements per partition (on chip) or in all (HBM)."""
        total = 1
        for _, count in self.dims:
            total *= count
        return total

    @property
    def nbytes(self) -> int:
        return self.elements * self.dtype.itemsize

    @property
    def is_dynamic(self) -> bool:
        return self.dynamic is not None or self.vector is not None

    def free_extent(self) -> tuple[int, int]:
        """Lowest and one past the highest element of the free dimensions touched, dynamic parts left out."""
        low = high = self.offset
        for stride, count in self.dims:
            if count == 0:
                return self.offset, self.offset
            reach = stride * (count - 1)
            if reach >= 0:
                high += reach
            else:
                low += reach
        return low, high + 1

    def byte_extent(self) -> tuple[int, int]:
        """`free_extent` in bytes: per partition on chip, in the whole tensor in HBM."""
        low, high = self.free_extent()
        size = self.dtype.itemsize
        return low * size, high * size

    def replace(self, **changes: Any) -> AccessPattern:
        """A copy with some fields changed."""
        fields: dict[str, Any] = {
            "tensor": self.tensor,
            "dtype": self.dtype,
            "partition": self.partition,
            "offset": self.offset,
            "dims": self.dims,
            "dynamic": self.dynamic,
            "vector": self.vector,
        }
        fields.update(changes)
        return AccessPattern(**fields)

    def element_offsets(self) -> Iterator[tuple[int, int]]:
        """(partition, element offset) of every element in order; partition is 0 in HBM. Brute force, for tests."""

        def walk(base: int, dims: tuple[Dim, ...]) -> Iterator[int]:
            if not dims:
                yield base
                return
            stride, count = dims[0]
            for i in range(count):
                yield from walk(base + i * stride, dims[1:])

        start, step, count = self.partition or (0, 0, 1)
        for p in range(count):
            for offset in walk(self.offset, self.dims):
                yield start + p * step, offset

    def _key(self) -> tuple[Any, ...]:
        return (id(self.tensor), str(self.dtype), self.partition, self.offset, self.dims, self.dynamic, self.vector)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccessPattern) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        from nki_sim.program.printer import format_pattern

        return format_pattern(self)


def contiguous_dims(shape: tuple[int, ...]) -> tuple[Dim, ...]:
    """Row-major (stride, count) pairs of `shape`."""
    dims: list[Dim] = []
    stride = 1
    for count in reversed(shape):
        dims.append((stride, count))
        stride *= count
    return tuple(reversed(dims))


def coalesce(dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """The same elements in the same order with as few dimensions as possible; dimensions of count 1 vanish."""
    out: list[Dim] = []
    for stride, count in dims:
        if count == 1:
            continue
        if out and out[-1][0] == stride * count:
            out[-1] = (stride, out[-1][1] * count)
        else:
            out.append((stride, count))
    return tuple(out)
