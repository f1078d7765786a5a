"""Operands while emitting: tiles, integer streams and per-partition scalars."""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from nki_sim.engines.jit.layout import Dims, count_of
from nki_sim.program.dtypes import DType


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile while emitting.

    pointer    address of its first element
    dims       (byte stride, count) of all dimensions; on chip the partition dimension first
    """

    dtype: DType
    pointer: ir.Value
    dims: Dims
    on_chip: bool
    rows: RowPointers | None = None

    @property
    def elements(self) -> int:
        return count_of(self.dims)

    @property
    def partitions(self) -> int:
        return self.dims[0][1]

    @property
    def partition_stride_bytes(self) -> int:
        return self.dims[0][0]

    @property
    def free(self) -> Dims:
        """(byte stride, count) of the free dimensions of an on-chip tile."""
        return self.dims[1:]

    @property
    def free_elements(self) -> int:
        return count_of(self.dims[1:])


@dataclass(frozen=True, eq=False)
class RowPointers:
    """For gather and scatter: how to find the row of one partition. Only dma lowering looks at it."""

    index: ir.Value
    index_dtype: DType
    index_stride_bytes: int
    multiplier_bytes: ir.Value
    low: ir.Value
    legal: ir.Value


@dataclass(frozen=True, eq=False)
class Affine:
    """An integer stream in place of a tile: value = start + sum(step * index), 32-bit wrap-around.

    dims    (step, count), outermost first, as for tiles; a partition step may come first
    """

    start: ir.Value
    dims: Dims


@dataclass(frozen=True, eq=False)
class RowScalar:
    """One fp32 number per partition (a (P, 1) tile) or one for all (an immediate)."""

    tile: Tile | None
    immediate: ir.Value | None


Walked = Tile | Affine
