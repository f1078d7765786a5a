"""ByteMap: one small integer per byte of a tensor or of an address range, kept as coarsely as the accesses allow.

A map starts as a single cell. An access that needs a finer grid splits all cells, so a tile that is only ever touched
whole costs one cell, one touched in column blocks costs one cell per block, and only element-wise strides cost a cell
per element. The grid is exact: every access so far covers whole cells.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.program.access import AccessPattern, Dim, coalesce

Cells = npt.NDArray[Any]


@lru_cache(maxsize=8192)
def byte_layout(dims: tuple[Dim, ...], itemsize: int) -> tuple[tuple[Dim, ...], int, int, bool]:
    """(outer dims, contiguous run, granule, distinct) of free dimensions as a *set* of bytes; all in bytes.

    Repeats (stride 0) are dropped; the granule divides the run and every stride; `distinct` says that no byte is
    visited twice by what is left.
    """
    kept = coalesce(tuple(d for d in dims if d[0] != 0 or d[1] == 0))
    run = itemsize
    if kept and kept[-1][0] == 1:
        run = kept[-1][1] * itemsize
        kept = kept[:-1]
    outer = tuple((stride * itemsize, count) for stride, count in kept)
    granule = run
    for stride, _ in outer:
        granule = gcd(granule, stride)
    extent = run
    distinct = True
    for size, count in sorted((abs(stride), count) for stride, count in outer):
        distinct = distinct and size >= extent
        extent = size * (count - 1) + extent
    return outer, run, granule, distinct


class ByteMap:
    """`rows` partitions of `row_bytes` bytes (one row in HBM), all cells starting at `fill`.

    nonzero   number of cells that are not zero
    """

    __slots__ = ("cells", "nonzero", "row_bytes", "row_unit", "rows", "unit")

    def __init__(self, rows: int, row_bytes: int, fill: int, dtype: Any = np.int32) -> None:
        self.rows = rows
        self.row_bytes = row_bytes
        self.row_unit = max(rows, 1)
        self.unit = max(row_bytes, 1)
        self.cells: Cells = np.array(((fill,),), dtype)
        self.nonzero = 1 if fill else 0

    def refine(self, row_unit: int, unit: int) -> None:
        """Split cells so that they are at most `row_unit` rows by `unit` bytes (common divisors of old and new)."""
        row_unit = gcd(self.row_unit, row_unit)
        unit = gcd(self.unit, unit)
        down, across = self.row_unit // row_unit, self.unit // unit
        if down == 1 and across == 1:
            return
        cells = self.cells
        if down > 1:
            cells = np.repeat(cells, down, axis=0)
        if across > 1:
            cells = np.repeat(cells, across, axis=1)
        self.cells = np.ascontiguousarray(cells)
        self.nonzero *= down * across
        self.row_unit, self.unit = row_unit, unit

    def view(self, pattern: AccessPattern, row: int = 0, byte: int = 0) -> Cells:
        """The cells of the bytes that `pattern` touches, as a writable view; its tensor starts at `row` and `byte`.

        The view is the set of bytes: its shape is not the pattern's. Raises ValueError when the pattern leaves the map.
        """
        if self.cells.size == 1 and self._is_whole(pattern):
            return self.cells
        itemsize = pattern.dtype.itemsize
        outer, run, granule, _ = byte_layout(pattern.dims, itemsize)
        start_byte = byte + pattern.offset * itemsize
        start_row, step, rows = row, 1, 1
        if pattern.partition is not None:
            first, step, rows = pattern.partition
            start_row += first
        if step == 0:
            rows = 1
        if rows == 1:
            step = 1
        self.refine(gcd(start_row, rows) if step == 1 else 1, gcd(start_byte, granule))
        row_unit, unit = self.row_unit, self.unit
        size = self.cells.itemsize
        pitch = self.cells.shape[1] * size
        if step == 1:
            rows //= row_unit
        shape = (rows, *[count for _, count in outer], run // unit)
        strides = (pitch * step, *[stride // unit * size for stride, _ in outer], size)
        offset = start_row // row_unit * pitch + start_byte // unit * size
        found: Cells = np.ndarray(shape, self.cells.dtype, self.cells, offset, strides)
        return found

    def elements(self, pattern: AccessPattern, row: int = 0, byte: int = 0) -> Cells:
        """The cells element by element: a writable view of the pattern's shape with one more axis, an element's bytes.

        Refines to single rows and elements, so only for patterns that need it.
        """
        itemsize = pattern.dtype.itemsize
        start_byte = byte + pattern.offset * itemsize
        self.refine(1, gcd(start_byte, itemsize))
        size = self.cells.itemsize
        pitch = self.cells.shape[1] * size
        cells_per_element = itemsize // self.unit
        dims = [(stride * cells_per_element * size, count) for stride, count in pattern.dims]
        dims.append((size, cells_per_element))
        start_row = row
        if pattern.partition is not None:
            first, step, rows = pattern.partition
            start_row += first
            dims.insert(0, (step * pitch, rows))
        shape = tuple(count for _, count in dims)
        strides = tuple(stride for stride, _ in dims)
        offset = start_row * pitch + start_byte // self.unit * size
        found: Cells = np.ndarray(shape, self.cells.dtype, self.cells, offset, strides)
        return found

    def fill(self, pattern: AccessPattern, value: int, row: int = 0, byte: int = 0) -> None:
        """Set every byte that `pattern` touches to `value`."""
        if self.cells.size == 1 and self._is_whole(pattern):
            # A tile that is only ever touched whole.
            self.reset(value)
            return
        cells = self.view(pattern, row, byte)
        if not byte_layout(pattern.dims, pattern.dtype.itemsize)[3]:
            cells[...] = value
            self.recount()
        elif cells.size == self.cells.size:
            self.reset(value)
        else:
            self.nonzero += (cells.size if value else 0) - int(np.count_nonzero(cells))
            cells[...] = value

    def _is_whole(self, pattern: AccessPattern) -> bool:
        """Whether `pattern` is plainly all there is; False may also mean that it is in some other order."""
        partition, dims = pattern.partition, pattern.dims
        if partition is not None and (partition[0] or partition[1] != 1 or partition[2] != self.rows):
            return False
        elements = 1
        for stride, count in reversed(dims):
            if stride != elements and count != 1:
                return False
            elements *= count
        return not pattern.offset and elements * pattern.dtype.itemsize == self.row_bytes

    def recount(self) -> None:
        """Bring `nonzero` up to date after writing through `view` or `elements`."""
        self.nonzero = int(np.count_nonzero(self.cells))

    def reset(self, value: int) -> None:
        """Set every byte to `value`, keeping the grid."""
        self.cells[...] = value
        self.nonzero = self.cells.size if value else 0
