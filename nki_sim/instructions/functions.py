"""The functions that formulas of `.isa` files may call, and the matching of a tile against a shape.

Every function takes values that are not None and may return None for "does not apply". `tile` arguments are
AccessPatterns; anything else in their place gives None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nki_sim.instructions.spec import ShapeSpec
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType

SHUFFLE_KEEP = 255
QUADRANT = 32


def match(shape: ShapeSpec | None, tile: AccessPattern) -> list[tuple[str | int, int]] | None:
    """(letter or number of `shape`, count in `tile`) pairs, or None when the ranks cannot be brought together."""
    if shape is None:
        return None
    counts = tile.shape
    entries = shape.dims
    if len(entries) == 1:
        return [(entries[0], math.prod(counts))]
    if len(counts) < len(entries):
        return None
    if shape.spread:
        head = len(entries) - 1
        return [*zip(entries[:head], counts[:head], strict=True), (entries[head], math.prod(counts[head:]))]
    if len(counts) > len(entries):
        counts = (counts[0], *(count for count in counts[1:] if count != 1))
        counts += (1,) * (len(entries) - len(counts))
        if len(counts) > len(entries):
            return None
    return list(zip(entries, counts, strict=True))


def _dtype(tile: Any) -> DType | None:
    return tile.dtype if isinstance(tile, AccessPattern) else None


def _itemsize(tile: Any) -> int | None:
    return tile.dtype.itemsize if isinstance(tile, AccessPattern) else None


def _is_integer(tile: Any) -> bool | None:
    """Integer types and bool, which is stored as uint8."""
    return tile.dtype.kind != "float" if isinstance(tile, AccessPattern) else None


def _elements(tile: Any) -> int | None:
    return tile.elements if isinstance(tile, AccessPattern) else None


def _free(tile: Any) -> int | None:
    return tile.free_elements if isinstance(tile, AccessPattern) else None


def _partitions(tile: Any) -> int | None:
    return tile.partition[2] if isinstance(tile, AccessPattern) and tile.partition is not None else None


def _step(tile: Any) -> int | None:
    """Distance between partitions; 1 for a single one."""
    if not isinstance(tile, AccessPattern) or tile.partition is None:
        return None
    return tile.partition[1] if tile.partition[2] > 1 else 1


def _start(tile: Any) -> int | None:
    """First partition; within the tensor when the kernel left its place to the allocator."""
    if not isinstance(tile, AccessPattern) or tile.partition is None:
        return None
    base = tile.tensor.address[0] if tile.tensor.address is not None else 0
    return base + tile.partition[0]


def _span(tile: Any) -> tuple[int, int] | None:
    """First and last byte in the partition, counted from the start of the tensor or its address."""
    if not isinstance(tile, AccessPattern) or tile.partition is None or tile.elements == 0:
        return None
    base = tile.tensor.address[1] if tile.tensor.address is not None else 0
    low, high = tile.byte_extent()
    return base + low, base + high - 1


def _first_byte(tile: Any) -> int | None:
    span = _span(tile)
    return None if span is None else span[0]


def _last_byte(tile: Any) -> int | None:
    span = _span(tile)
    return None if span is None else span[1]


def _contiguous(tile: Any) -> bool | None:
    """Innermost elements are neighbours."""
    if not isinstance(tile, AccessPattern):
        return None
    for stride, count in reversed(tile.dims):
        if count != 1:
            return stride == 1
    return True


def _rank(tile: Any) -> int | None:
    return len(tile.shape) if isinstance(tile, AccessPattern) else None


def _trailing(axis: Any, tile: Any) -> bool | None:
    """`axis` holds the last free dimensions of `tile`, without gaps."""
    if not isinstance(tile, AccessPattern):
        return None
    rank = len(tile.shape)
    axes = sorted(set(axis))
    return bool(axes) and axes == list(range(rank - len(axes), rank)) and axes[0] >= 1


def _kept(axis: Any, tile: Any) -> int | None:
    """Elements per partition left after reducing the free dimensions in `axis`."""
    if not isinstance(tile, AccessPattern):
        return None
    return math.prod(count for i, count in enumerate(tile.shape) if i > 0 and i not in axis)


def _product(pattern: Any) -> int:
    """Number of elements of a list of (step, count) pairs."""
    return math.prod(count for _, count in pattern)


def _length(value: Any) -> int:
    return len(value)


def _item(value: Any, index: int) -> Any:
    return value[index] if len(value) > index else None


def _whole(value: Any) -> bool | None:
    """A number without fractional part."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return math.isfinite(value) and float(value).is_integer()


def _fits_int32(value: Any) -> bool | None:
    return -(2**31) <= value < 2**31 if isinstance(value, int) else None


def _shuffle_entries_valid(mask: Any) -> bool:
    return all(0 <= entry < QUADRANT or entry == SHUFFLE_KEEP for entry in mask)


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _dynamic(tile: Any) -> bool | None:
    return tile.dynamic is not None or tile.vector is not None if isinstance(tile, AccessPattern) else None


def _gathered(tile: Any) -> bool | None:
    """A row per partition, chosen by an index tile (vector_offset)."""
    return tile.vector is not None if isinstance(tile, AccessPattern) else None


def _index(tile: Any) -> AccessPattern | None:
    """The index tile of a gathered operand."""
    return tile.vector.index if isinstance(tile, AccessPattern) and tile.vector is not None else None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "max": max,
    "min": min,
    "ceil": math.ceil,
    "abs": abs,
    "dtype": _dtype,
    "itemsize": _itemsize,
    "is_integer": _is_integer,
    "elements": _elements,
    "free": _free,
    "partitions": _partitions,
    "step": _step,
    "start": _start,
    "first_byte": _first_byte,
    "last_byte": _last_byte,
    "contiguous": _contiguous,
    "rank": _rank,
    "trailing": _trailing,
    "kept": _kept,
    "product": _product,
    "length": _length,
    "item": _item,
    "whole": _whole,
    "fits_int32": _fits_int32,
    "shuffle_entries_valid": _shuffle_entries_valid,
    "round_up": _round_up,
    "dynamic": _dynamic,
    "gathered": _gathered,
    "index": _index,
}
