"""Exact sets of bytes that access patterns touch, and whether two such sets meet or one contains the other.

A `Region` is a partition range times a set of bytes within each partition (one partition in HBM). Both predicates are
exact for strided patterns, not bounding boxes; bounding boxes only make the common answers quick.

Non-goals: which offsets a dynamic pattern takes (its region holds every offset it may take, `exact` is False).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
import numpy.typing as npt

from nki_sim.memory.bytemap import byte_layout
from nki_sim.program.access import AccessPattern, Dim, coalesce
from nki_sim.program.ir import Register

Intervals = npt.NDArray[np.int64]
"""Sorted, disjoint, non-adjacent [start, stop) rows."""

RegisterRanges = Mapping[Register, tuple[int, int, int]]
"""register -> (first value, number of values, step), for registers whose values are known beforehand."""


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes of one memory.

    memory      "sbuf" or "psum" for placed regions, else the index of the tensor they are relative to
    partitions  (start, step, count), step at least 1
    low, high   bytes [low, high) bound the set within a partition
    dims        outer (stride, count) in bytes, strides positive, largest first; () when the set is one run
    run         bytes of each contiguous run
    exact       False when the pattern's offset is known only while running
    """

    memory: str | int
    partitions: tuple[int, int, int]
    low: int
    high: int
    dims: tuple[Dim, ...]
    run: int
    exact: bool = True

    @property
    def empty(self) -> bool:
        return self.high <= self.low or self.partitions[2] == 0

    def intervals(self) -> Intervals:
        """The bytes within a partition as sorted disjoint intervals."""
        return _intervals(self.dims, self.run) + self.low


@lru_cache(maxsize=4096)
def _canonical(dims: tuple[Dim, ...], itemsize: int) -> tuple[tuple[Dim, ...], int, int]:
    """(dims, run, shift): strides made positive and sorted, the start moved to the lowest byte by `shift` bytes."""
    if any(count == 0 for _, count in dims):
        return (), 0, 0
    outer, run, _, _ = byte_layout(dims, itemsize)
    shift = sum(stride * (count - 1) for stride, count in outer if stride < 0)
    flipped = tuple(sorted(((abs(stride), count) for stride, count in outer), reverse=True))
    # Sorting can bring a run and its continuation together (a transposed view of contiguous data, say).
    merged = list(coalesce(flipped))
    while merged and merged[-1][0] <= run:
        stride, count = merged.pop()
        run += stride * (count - 1)
    return tuple(merged), run, shift


@lru_cache(maxsize=2048)
def _intervals(dims: tuple[Dim, ...], run: int) -> Intervals:
    starts = np.zeros(1, dtype=np.int64)
    for stride, count in dims:
        starts = (starts[:, None] + np.arange(count, dtype=np.int64) * stride).ravel()
    starts.sort()
    stops = np.maximum.accumulate(starts + run)
    fresh = np.ones(len(starts), dtype=bool)
    fresh[1:] = starts[1:] > stops[:-1]
    last = np.append(np.flatnonzero(fresh)[1:] - 1, len(starts) - 1)
    return np.stack([starts[fresh], stops[last]], axis=1)


def reach(pattern: AccessPattern, ranges: RegisterRanges | None = None) -> AccessPattern:
    """A static pattern of every element that a dynamic `pattern` may touch: one more leading dim over the offsets.

    With `ranges` (the values of loop counters) the offsets are those values; otherwise all legal ones. Offsets that
    would leave the tensor are left out: they are errors of their own. A pattern that is static comes back as it is.
    """
    if pattern.vector is not None:
        limit = _clamped(pattern, pattern.vector.multiplier, pattern.vector.limit, pattern.dims[1:])
        dims = ((pattern.vector.multiplier, limit), *pattern.dims[1:])
        return pattern.replace(dims=dims, vector=None, dynamic=None)
    if pattern.dynamic is None:
        return pattern
    source, multiplier = pattern.dynamic.source, pattern.dynamic.multiplier
    if ranges is not None and isinstance(source, Register) and source in ranges:
        first, count, step = ranges[source]
        moved = pattern.replace(offset=pattern.offset + first * multiplier, dynamic=None)
        count = _clamped(moved, multiplier * step, count, pattern.dims)
        return moved.replace(dims=((multiplier * step, count), *pattern.dims))
    limit = _clamped(pattern, multiplier, pattern.dynamic.limit, pattern.dims)
    return pattern.replace(dims=((multiplier, limit), *pattern.dims), dynamic=None)


def _clamped(pattern: AccessPattern, stride: int, count: int, dims: tuple[Dim, ...]) -> int:
    low, high = pattern.replace(dims=dims).free_extent()
    size = pattern.tensor.bytes_per_partition // pattern.dtype.itemsize
    if low < 0 or high > size:
        return 0
    if stride > 0:
        return min(count, (size - high) // stride + 1)
    if stride < 0:
        return min(count, low // -stride + 1)
    return count


def region(pattern: AccessPattern, placement: Mapping[int, tuple[int, int]] | None = None) -> Region:
    """The bytes of `pattern`, at its placed address when `placement` has its tensor, else relative to its tensor."""
    exact = not pattern.is_dynamic
    static = pattern if exact else reach(pattern)
    dims, run, shift = _canonical(static.dims, static.dtype.itemsize)
    low = static.offset * static.dtype.itemsize + shift
    start, step, count = static.partition or (0, 1, 1)
    if step == 0:
        step, count = 1, min(count, 1)
    elif step < 0:
        start, step = start + step * (count - 1), -step
    memory: str | int = pattern.tensor.index
    place = None if placement is None else placement.get(pattern.tensor.index)
    if place is not None:
        memory = pattern.tensor.space
        start += place[0]
        low += place[1]
    extent = run + sum(stride * (number - 1) for stride, number in dims)
    return Region(memory, (start, step, count), low, low + extent, dims, run, exact)


def overlaps(a: Region, b: Region) -> bool:
    """Whether some byte belongs to both regions."""
    if a.memory != b.memory or a.low >= b.high or b.low >= a.high:
        return False
    if not _partitions_meet(a.partitions, b.partitions) or a.empty or b.empty:
        return False
    if not a.dims and not b.dims:
        return True
    if a.dims == b.dims and a.run == b.run and _nested(a.dims, a.run):
        return _shift_meets(b.low - a.low, a.dims, a.run)
    return _intervals_meet(a.intervals(), b.intervals())


def covers(a: Region, b: Region) -> bool:
    """Whether every byte of `b` belongs to `a`."""
    if b.empty:
        return True
    if a.memory != b.memory or a.empty or b.low < a.low or b.high > a.high:
        return False
    if not set(_partition_range(b.partitions)) <= set(_partition_range(a.partitions)):
        return False
    if not a.dims:
        return True
    outer, inner = a.intervals(), b.intervals()
    index = np.searchsorted(outer[:, 0], inner[:, 0], side="right") - 1
    return bool(np.all(index >= 0) and np.all(inner[:, 1] <= outer[np.maximum(index, 0), 1]))


def _partition_range(partitions: tuple[int, int, int]) -> range:
    start, step, count = partitions
    return range(start, start + step * count, step)


def _partitions_meet(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
    if a[2] == 0 or b[2] == 0:
        return False
    if a[0] + a[1] * (a[2] - 1) < b[0] or b[0] + b[1] * (b[2] - 1) < a[0]:
        return False
    if a[1] == 1 and b[1] == 1:
        return True
    if (a[0] - b[0]) % gcd(a[1], b[1]):
        return False
    return not set(_partition_range(a)).isdisjoint(_partition_range(b))


@lru_cache(maxsize=4096)
def _nested(dims: tuple[Dim, ...], run: int) -> bool:
    """Whether each dimension steps over everything inside it, so that runs never interleave."""
    extent = run
    for stride, count in reversed(dims):
        if stride < extent:
            return False
        extent += stride * (count - 1)
    return True


def _shift_meets(shift: int, dims: tuple[Dim, ...], run: int) -> bool:
    """Whether a nested set meets itself moved by `shift` = sum(k_i * stride_i) + r, with |k_i| < count_i, |r| < run."""
    if not dims:
        return abs(shift) < run
    stride, count = dims[0]
    lower = shift // stride
    return any(abs(k) < count and _shift_meets(shift - k * stride, dims[1:], run) for k in (lower, lower + 1))


def _intervals_meet(a: Intervals, b: Intervals) -> bool:
    if len(a) > len(b):
        a, b = b, a
    index = np.searchsorted(b[:, 1], a[:, 0], side="right")
    inside = index < len(b)
    return bool(np.any(b[index[inside], 0] < a[inside, 1]))
