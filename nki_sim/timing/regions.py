"""Regions: which bytes of a tensor an access touches, as a rectangle of rows and bytes with an exact test behind it.

A row is a partition on chip and a line along the last dimension in HBM, so a tile of a matrix is a rectangle in both.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nki_sim.program.access import AccessPattern, Dim
from nki_sim.program.ir import TensorDecl

Region = tuple[int, int, int, int, int]
"""(first row, end row, first byte, end byte, shape number). Shape 0: every byte of the rectangle is touched."""

DENSE = 0
UNKNOWN = -1
"""Shape of a region whose exact bytes are not tracked: it conflicts with all it meets and covers nothing."""

_Shape = tuple[tuple[Dim, ...], tuple[Dim, ...], int]


class Shapes:
    """Interned shapes of regions with gaps, and whether two of them meet."""

    def __init__(self) -> None:
        self._numbers: dict[_Shape, int] = {}
        self._shapes: list[_Shape] = [((), (), 0)]
        self._meets: dict[tuple[int, int, int, int, int, int], bool] = {}

    def number(self, shape: _Shape) -> int:
        found = self._numbers.get(shape)
        if found is None:
            found = len(self._shapes)
            self._shapes.append(shape)
            self._numbers[shape] = found
        return found

    def meet(self, one: Region, other: Region) -> bool:
        """Whether two regions whose rectangles overlap share a byte."""
        first, second = one[4], other[4]
        if first == UNKNOWN or second == UNKNOWN or (first == DENSE and second == DENSE):
            return True
        # Shapes repeat at the same distances; only a dense region adds its size to what decides.
        if first == DENSE or second == DENSE:
            return self._meet(one, other)
        key = (first, second, other[0] - one[0], other[2] - one[2], 0, 0)
        found = self._meets.get(key)
        if found is None:
            found = self._meets[key] = self._meet(one, other)
        return found

    def _meet(self, one: Region, other: Region) -> bool:
        rows, other_rows = self._rows(one), self._rows(other)
        if not _common(rows, one[0], one[1], other_rows, other[0], other[1]):
            return False
        free, other_free = self._bytes(one), self._bytes(other)
        return _common(free, one[2], one[3], other_free, other[2], other[3])

    def _rows(self, region: Region) -> tuple[tuple[Dim, ...], int]:
        return (self._shapes[region[4]][0], 1) if region[4] > 0 else ((), 0)

    def _bytes(self, region: Region) -> tuple[tuple[Dim, ...], int]:
        shape = self._shapes[region[4]]
        return (shape[1], shape[2]) if region[4] > 0 else ((), 0)


def _common(
    one: tuple[tuple[Dim, ...], int], low: int, high: int, other: tuple[tuple[Dim, ...], int], low2: int, high2: int
) -> bool:
    """Whether two one-dimensional sets share a member; a set without a unit is the whole interval."""
    start, stop = max(low, low2), min(high, high2)
    if start >= stop:
        return False
    if not one[1] and not other[1]:
        return True
    if not one[1]:
        return bool(_mask(other)[start - low2 : stop - low2].any())
    if not other[1]:
        return bool(_mask(one)[start - low : stop - low].any())
    return bool((_mask(one)[start - low : stop - low] & _mask(other)[start - low2 : stop - low2]).any())


@lru_cache(maxsize=512)
def _mask(one: tuple[tuple[Dim, ...], int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    dims, unit = one
    offsets = np.zeros(1, np.int64)
    for stride, count in dims:
        offsets = (offsets[:, None] + np.arange(count, dtype=np.int64) * stride).ravel()
    mask = np.zeros((int(offsets.max()) + 1) * unit, np.bool_)
    for byte in range(unit):
        mask[offsets * unit + byte] = True
    return mask


def row_bytes(tensor: TensorDecl) -> int:
    """Bytes of a row: of a partition on chip, of the last dimension in HBM."""
    if tensor.space != "hbm":
        return tensor.bytes_per_partition
    return (tensor.shape[-1] if tensor.shape else 1) * tensor.dtype.itemsize


def whole(tensor: TensorDecl) -> Region:
    """All bytes of a tensor."""
    shape = tensor.shape
    if tensor.space != "hbm":
        width = tensor.dtype.itemsize
        for count in shape[1:]:
            width *= count
        return (0, shape[0], 0, width, DENSE)
    width = row_bytes(tensor)
    return (0, max(1, tensor.nbytes // max(1, width)), 0, width, DENSE)


def region_of(pattern: AccessPattern, shapes: Shapes, extra: int = 0) -> Region:
    """The bytes `pattern` touches when its run-time offset is `extra` elements; run-time rows of HBM are all rows.

    A fixed region without gaps is kept with the pattern, which is often used again.
    """
    found = _in_hbm(pattern, shapes, extra) if pattern.partition is None else _on_chip(pattern, shapes, extra)
    if found[4] == DENSE and pattern.dynamic is None and not extra:
        pattern.region = found
    return found


def _on_chip(pattern: AccessPattern, shapes: Shapes, extra: int) -> Region:
    size = pattern.dtype.itemsize
    start, step, count = pattern.partition  # type: ignore[misc]
    offset = pattern.offset + extra
    dims = pattern.dims
    if step == 1 and len(dims) == 1:
        ((stride, number),) = dims
        if stride == 1 or number == 1:
            return (start, start + count, offset * size, (offset + number) * size, DENSE)
    low, free, dense = _normalise(offset, dims)
    rows_dense = step == 1 or step == 0 or count == 1
    stop = start + step * (count - 1) + 1 if count else start
    high = low + sum(stride * (number - 1) for stride, number in free) + 1
    if rows_dense and dense:
        return (start, stop, low * size, high * size, DENSE)
    rows = ((1, stop - start),) if rows_dense else ((step, count),)
    return (start, stop, low * size, high * size, shapes.number((rows, free, size)))


def _normalise(offset: int, dims: tuple[Dim, ...]) -> tuple[int, tuple[Dim, ...], bool]:
    """Lowest element, dimensions with positive strides from there (largest first), and whether they leave no gap."""
    free: list[Dim] = []
    for stride, count in dims:
        if stride < 0:
            offset += stride * (count - 1)
            stride = -stride
        if stride and count != 1:
            free.append((stride, count))
    free.sort(reverse=True)
    reach = 1
    for stride, count in reversed(free):
        if stride > reach:
            return offset, tuple(free), False
        reach = max(reach, stride * (count - 1) + reach)
    return offset, tuple(free), True


def _in_hbm(pattern: AccessPattern, shapes: Shapes, extra: int) -> Region:
    tensor = pattern.tensor
    width = row_bytes(tensor)
    size = pattern.dtype.itemsize
    if pattern.vector is not None:
        return (*whole(tensor)[:4], UNKNOWN)
    low, dims, dense = _normalise(pattern.offset + extra, pattern.dims)
    if width % size:
        return (*whole(tensor)[:4], UNKNOWN)
    row = width // size
    outer: list[Dim] = []
    inner: list[Dim] = []
    for stride, count in dims:
        if stride % row == 0:
            outer.append((stride // row, count))
        else:
            inner.append((stride, count))
    first_row, first = divmod(low, row)
    end = first + sum(stride * (count - 1) for stride, count in inner) + 1
    rows = 1 + sum(stride * (count - 1) for stride, count in outer)
    if end > row:
        # Runs over the ends of rows: whole rows, exact only when nothing is left out.
        last = low + sum(stride * (count - 1) for stride, count in dims)
        exact = dense and low % row == 0 and (last + 1) % row == 0
        return (first_row, last // row + 1, 0, width, DENSE if exact else UNKNOWN)
    if _gapless(outer) and _gapless(inner):
        return (first_row, first_row + rows, first * size, end * size, DENSE)
    shape = (tuple(outer), tuple(inner), size)
    return (first_row, first_row + rows, first * size, end * size, shapes.number(shape))


def _gapless(dims: list[Dim]) -> bool:
    reach = 1
    for stride, count in reversed(dims):
        if stride > reach:
            return False
        reach = max(reach, stride * (count - 1) + reach)
    return True
