"""Indexing of tensors: integers, slices, nl.ds, `...` and run-time indices, from an AccessPattern to an AccessPattern.

Sources: nki-language-guide.rst (Tensor Indexing), nki-aps.rst, nki.language.NkiTensor.
"""

from __future__ import annotations

import operator
from typing import Any

from nki_sim.language.failure import a_type, fail
from nki_sim.program.access import AccessPattern, Dim, DynamicOffset
from nki_sim.program.ir import Register


class DynamicSlice:
    """nl.ds(start, size): the slice [start, start + size)."""

    __slots__ = ("size", "start")

    def __init__(self, start: Any, size: int) -> None:
        self.start = start
        self.size = size


# Types of an index that is known while the kernel is built.
_FIXED = frozenset({int, slice, DynamicSlice})


def ds(start: Any, size: int) -> DynamicSlice:
    """A slice of `size` elements from `start`, for use as an index."""
    return DynamicSlice(start, size)


def index(pattern: AccessPattern, key: Any) -> AccessPattern:
    """`pattern[key]`."""
    keys = key if type(key) is tuple else (key,)
    partition = pattern.partition
    rank = len(pattern.dims) + (partition is not None)
    if Ellipsis in keys:
        keys = _fill_ellipsis(keys, rank)
    if len(keys) <= rank and pattern.vector is None:
        found = _plain(pattern, keys)
        if found is not None:
            return found
    if len(keys) > rank:
        fail(
            "language-index",
            f"{len(keys)} indices for a tensor of shape {list(pattern.shape)}",
            fix=f"give at most {rank}, one for each dimension",
        )
    offset = pattern.offset
    dynamic = pattern.dynamic
    position = 0
    if partition is not None and keys:
        start, count, step, _ = _resolve(keys[0], partition[2], pattern, 0)
        partition = (partition[0] + start * partition[1], partition[1] * step, count)
        position = 1
    dims: list[Dim] = []
    dropped_last = None
    free = pattern.dims
    first_free = position
    for axis, one in enumerate(keys[position:]):
        stride, count = free[axis]
        if type(one) is slice and one.start is None and one.stop is None and one.step is None:
            dims.append((stride, count))
            dropped_last = None
            continue
        source = None if type(one) in _FIXED else _run_time_index(one)
        if source is not None:
            if dynamic is not None or pattern.vector is not None:
                fail(
                    "language-view",
                    "a view can have one run-time index only",
                    fix="combine the indices into one in SBUF and load it with nisa.register_load",
                )
            dynamic = DynamicOffset(source, stride, count)
            dropped_last = (stride, 1)
            continue
        start, size, step, keep = _resolve(one, count, pattern, axis + first_free)
        offset += start * stride
        if keep:
            dims.append((stride * step, size))
            dropped_last = None
        else:
            dropped_last = (stride, 1)
    dims.extend(free[len(keys) - position :] if keys else free)
    if not dims:
        dims.append(dropped_last or (1, 1))
    if pattern.vector is not None and keys and not _is_full(keys[0], pattern.shape[0]):
        fail("language-view", "the dimension chosen by a run-time vector cannot be indexed again")
    return AccessPattern(pattern.tensor, pattern.dtype, partition, offset, tuple(dims), dynamic, pattern.vector)


def _plain(pattern: AccessPattern, keys: tuple[Any, ...]) -> AccessPattern | None:
    """`pattern[keys]` when each key is an integer or a slice of step 1, in bounds: nearly always. Else None."""
    partition, offset, free = pattern.partition, pattern.offset, pattern.dims
    if partition is not None and keys:
        key, keys = keys[0], keys[1:]
        if type(key) is not slice or key.step is not None:
            return None
        start, stop = key.start, key.stop
        if start is not None or stop is not None:
            first, step, count = partition
            start = 0 if start is None else start
            stop = count if stop is None else stop
            if type(start) is not int or type(stop) is not int or not 0 <= start < stop <= count:
                return None
            partition = (first + start * step, step, stop - start)
    dims: list[Dim] = []
    for key, dim in zip(keys, free, strict=False):
        stride, count = dim
        if type(key) is int:
            if not -count <= key < count:
                return None
            offset += key % count * stride
            continue
        if type(key) is not slice or key.step is not None:
            return None
        start, stop = key.start, key.stop
        if start is None and stop is None:
            dims.append(dim)
            continue
        start = 0 if start is None else start
        stop = count if stop is None else stop
        if type(start) is not int or type(stop) is not int or not 0 <= start < stop <= count:
            return None
        dims.append((stride, stop - start))
        offset += start * stride
    dims += free[len(keys) :]
    if not dims:
        return None
    return AccessPattern(pattern.tensor, pattern.dtype, partition, offset, tuple(dims), pattern.dynamic)


def _fill_ellipsis(keys: tuple[Any, ...], rank: int) -> tuple[Any, ...]:
    at = keys.index(Ellipsis)
    rest = keys[at + 1 :]
    if Ellipsis in rest:
        fail("language-index", "an index can have one `...` only", fix="write `:` for each dimension")
    return keys[:at] + (slice(None),) * max(0, rank - len(keys) + 1) + rest


def _is_full(key: Any, size: int) -> bool:
    return isinstance(key, slice) and (key.start or 0) == 0 and key.stop in (None, size) and key.step in (None, 1)


def _run_time_index(key: Any) -> Register | AccessPattern | None:
    register = getattr(key, "register", None)
    if isinstance(register, Register):
        return register
    if isinstance(getattr(key, "access_pattern", None), AccessPattern):
        return source_of(key)
    return None


def source_of(value: Any) -> Register | AccessPattern:
    """The register or one-element on-chip pattern behind a run-time index."""
    register = getattr(value, "register", None)
    if isinstance(register, Register):
        return register
    pattern = getattr(value, "access_pattern", None)
    if not isinstance(pattern, AccessPattern):
        fail("language-index", f"a run-time index is a {type(value).__name__}; it must be a register or a 1x1 tensor")
    if pattern.space != "sbuf" or pattern.elements != 1:
        fail(
            "shape",
            f"a run-time index must be one element in sbuf, not {list(pattern.shape)} in {pattern.space}",
            fix="take one element of it, as t[0:1, 0:1]"
            if pattern.space == "sbuf"
            else "bring it to sbuf, or into a register with nisa.register_load",
        )
    if not pattern.dtype.is_integer:
        fail("dtype", f"a run-time index must be an integer, not {pattern.dtype}", fix="cast it to int32 first")
    return pattern


def _resolve(key: Any, size: int, pattern: AccessPattern, axis: int) -> tuple[int, int, int, bool]:
    """(start, count, step, keep) of one index on a dimension of `size`."""
    if type(key) is slice:
        start = 0 if key.start is None else integer(key.start)
        stop = size if key.stop is None else integer(key.stop)
        step = 1 if key.step is None else integer(key.step)
        if start < 0:
            start += size
        if stop < 0:
            stop += size
    elif isinstance(key, DynamicSlice):
        start, step = integer(key.start), 1
        stop = start + integer(key.size)
    else:
        start = integer(key)
        if not -size <= start < size:
            _out_of_bounds(f"index {start}", size, pattern, axis, f"use an index from 0 to {size - 1}")
        return start % size, 1, 1, axis == 0 and pattern.partition is not None
    if step < 1:
        fail(
            "language-index",
            f"a slice step is {step}; it must be at least 1",
            facts=("access patterns step forwards (nki-language-guide.rst)",),
            fix="reverse on the host, or with a matmul by a reversed identity",
        )
    if not 0 <= start < stop <= size:
        if start == stop or start > stop:
            fail(
                "language-index",
                f"the slice {start}:{stop} of dimension {axis} (size {size}) is empty",
                fix="leave the instruction out when there is nothing to do",
            )
        _out_of_bounds(f"slice {start}:{stop}", size, pattern, axis, f"stop at min({stop}, {size})")
    return start, -(-(stop - start) // step), step, True


def integer(value: Any) -> int:
    if type(value) is int:
        return value
    try:
        return operator.index(value)
    except TypeError:
        fail(
            "language-index",
            f"an index is {a_type(value)} ({value!r}); it must be an integer, a slice, nl.ds or `...`",
            fix="divide with //, which gives integers"
            if isinstance(value, float)
            else "pick single rows one by one, or gather them with .ap(..., vector_offset=...)",
        )


def _out_of_bounds(what: str, size: int, pattern: AccessPattern, axis: int, fix: str) -> None:
    fail(
        "bounds",
        f"{what} is outside dimension {axis} of a tensor of shape {list(pattern.shape)}, which has size {size}",
        facts=("the documents do not promise that slices are clipped",) if what.startswith("slice") else (),
        fix=fix,
    )
