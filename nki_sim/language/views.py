"""How views compose: pure functions from an AccessPattern to an AccessPattern, each with NKI's rules.

Sources: nki-language-guide.rst (Tensor Values, Tensor Indexing), nki-aps.rst, nki.language.NkiTensor.
"""

from __future__ import annotations

from typing import Any

from nki_sim.frontend.recorder import Recorder
from nki_sim.language.failure import fail
from nki_sim.language.indexing import integer
from nki_sim.program.access import AccessPattern, Dim, contiguous_dims
from nki_sim.program.dtypes import DType

MAX_DIMS = 5


def check_on_chip_shape(shape: tuple[int, ...], dtype: DType, space: str, recorder: Recorder) -> None:
    """On-chip tensors have at least two dimensions and at most pmax partitions; the latter is reported, not raised."""
    if len(shape) < 2:
        fail(
            "shape",
            f"ndarray: an on-chip tensor needs a partition and a free dimension, but the shape is {list(shape)}",
            fix=f"use shape ({shape[0]}, 1) or (1, {shape[0]})",
        )
    pmax = recorder.pmax
    if shape[0] > pmax:
        recorder.complain(
            "partition",
            f"ndarray: {space} tensor {list(shape)} has {shape[0]} partitions; {recorder.target.name} has {pmax}",
            operand="shape",
            facts=(f"dimension 0 of an on-chip tensor is the partition dimension, at most {pmax} (tile_size.pmax)",),
            fix=f"split dimension 0 into tiles of {pmax}",
        )


def row_elements(pattern: AccessPattern) -> int:
    """Elements of the pattern's dtype in one partition of its storage."""
    return pattern.tensor.bytes_per_partition // pattern.dtype.itemsize


def full_dims(pattern: AccessPattern) -> tuple[Dim, ...]:
    """All dimensions as (stride, count), the partition dimension included."""
    if pattern.partition is None:
        return pattern.dims
    _, step, count = pattern.partition
    return ((step * row_elements(pattern), count), *pattern.dims)


def dimension(pattern: AccessPattern, dim: int) -> int:
    """`dim` as a non-negative position."""
    rank = len(pattern.shape)
    if not isinstance(dim, int) or not -rank <= dim < rank:
        fail(
            "language-view",
            f"dimension {dim!r} does not exist in a tensor of shape {list(pattern.shape)}",
            fix=f"use a dimension from 0 to {rank - 1}, or negative from the end",
        )
    return dim % rank


def is_contiguous(pattern: AccessPattern) -> bool:
    expected = 1
    for stride, count in reversed(pattern.dims):
        if count != 1 and stride != expected:
            return False
        expected *= count
    return True


def _rebuild(pattern: AccessPattern, dims: tuple[Dim, ...]) -> AccessPattern:
    """`pattern` with all its dimensions (partition first, on chip) replaced."""
    if len(dims) > MAX_DIMS:
        fail(
            "language-view",
            f"a view has at most {MAX_DIMS} dimensions, this one has {len(dims)}",
            facts=(f"an access pattern has at most {MAX_DIMS} [step, count] pairs (nki-aps.rst)",),
            fix="merge dimensions that belong together, or use several instructions",
        )
    if pattern.partition is None:
        return pattern.replace(dims=dims)
    free = dims[1:] or ((1, 1),)
    return pattern.replace(dims=free)


_PARTITION_FIXES = {
    "permute": "turn the tile with nisa.nc_transpose, or permute the HBM tensor before loading it",
    "rearrange": "turn the tile with nisa.nc_transpose, or rearrange the HBM tensor before loading it",
    "broadcast": "use nl.broadcast_to or nisa.nc_stream_shuffle",
}


def _guard_partition(pattern: AccessPattern, dim: int, what: str) -> None:
    if dim == 0 and (pattern.partition is not None or pattern.vector is not None):
        kind = "the partition dimension" if pattern.partition is not None else "the dimension chosen at run time"
        fail(
            "language-view",
            f"{what}: dimension 0 is {kind} and stays as it is",
            facts=("data do not move between partitions without an instruction",) if pattern.on_chip else (),
            fix=_PARTITION_FIXES.get(what, "use the other dimensions"),
        )


def permute(pattern: AccessPattern, order: tuple[int, ...]) -> AccessPattern:
    dims = full_dims(pattern)
    if sorted(order) != list(range(len(dims))):
        fail(
            "language-view",
            f"permute: {order} is not an order of {len(dims)} dimensions",
            fix=f"name each of 0 to {len(dims) - 1} once",
        )
    if order[0] != 0:
        _guard_partition(pattern, 0, "permute")
    return _rebuild(pattern, tuple(dims[i] for i in order))


def broadcast(pattern: AccessPattern, dim: int, size: int) -> AccessPattern:
    dim = dimension(pattern, dim)
    _guard_partition(pattern, dim, "broadcast")
    dims = list(full_dims(pattern))
    if dims[dim][1] != 1:
        fail(
            "shape",
            f"broadcast: dimension {dim} of {list(pattern.shape)} has size {dims[dim][1]}, not 1",
            fix="take one element of it first, or insert a dimension with .expand_dim",
        )
    dims[dim] = (0, integer(size))
    return _rebuild(pattern, tuple(dims))


def expand_dim(pattern: AccessPattern, dim: int) -> AccessPattern:
    dims = list(full_dims(pattern))
    if not 0 <= dim <= len(dims):
        fail("language-view", f"expand_dim: position {dim} is not between 0 and {len(dims)}")
    _guard_partition(pattern, dim, "expand_dim")
    dims.insert(dim, (1, 1))
    return _rebuild(pattern, tuple(dims))


def squeeze_dim(pattern: AccessPattern, dim: int) -> AccessPattern:
    dim = dimension(pattern, dim)
    _guard_partition(pattern, dim, "squeeze_dim")
    dims = list(full_dims(pattern))
    if dims[dim][1] != 1:
        fail("shape", f"squeeze_dim: dimension {dim} of {list(pattern.shape)} has size {dims[dim][1]}, not 1")
    if len(dims) <= (2 if pattern.partition is not None else 1):
        fail(
            "language-view",
            f"squeeze_dim: a tensor in {pattern.space} cannot have fewer dimensions than {len(dims)}",
            fix="leave the dimension there",
        )
    del dims[dim]
    return _rebuild(pattern, tuple(dims))


def reshape_dim(pattern: AccessPattern, dim: int, shape: tuple[int, ...]) -> AccessPattern:
    dim = dimension(pattern, dim)
    dims = list(full_dims(pattern))
    stride, count = dims[dim]
    sizes = _infer(shape, count, f"reshape_dim: dimension {dim}")
    if len(sizes) > 1:
        _guard_partition(pattern, dim, "reshape_dim")
    dims[dim : dim + 1] = [(stride * s, c) for s, c in contiguous_dims(sizes)]
    return _rebuild(pattern, tuple(dims))


_COPY_FIRST = "copy the elements to a tile of their own first, with nl.copy"


def flatten_dims(pattern: AccessPattern, start: int, end: int) -> AccessPattern:
    start, end = dimension(pattern, start), dimension(pattern, end)
    if start > end:
        fail("language-view", f"flatten_dims: start_dim {start} comes after end_dim {end}", fix="swap them")
    if start != end:
        _guard_partition(pattern, start, "flatten_dims")
    dims = list(full_dims(pattern))
    merged = _merge(dims[start : end + 1])
    if merged is None:
        fail(
            "language-view",
            f"flatten_dims: dimensions {start} to {end} of {list(pattern.shape)} are not dense",
            fix=_COPY_FIRST,
        )
    dims[start : end + 1] = [merged]
    return _rebuild(pattern, tuple(dims))


def _merge(dims: list[Dim]) -> Dim | None:
    stride, count = 1, 1
    for s, c in reversed(dims):
        if c == 1:
            continue
        if count == 1:
            stride = s
        elif s != stride * count:
            return None
        count *= c
    return stride, count


def _infer(shape: tuple[int, ...], count: int, what: str) -> tuple[int, ...]:
    sizes = [integer(s) for s in shape]
    if sizes.count(-1) > 1:
        fail("shape", f"{what}: at most one size may be -1")
    known = 1
    for s in sizes:
        known *= 1 if s == -1 else s
    if -1 in sizes and known > 0 and count % known == 0:
        sizes[sizes.index(-1)] = count // known
        known = count
    if known != count or any(s < 1 for s in sizes):
        fail("shape", f"{what}: {list(shape)} does not multiply to {count}")
    return tuple(sizes)


def reshape(pattern: AccessPattern, shape: tuple[int, ...]) -> AccessPattern:
    sizes = _infer(shape, pattern.elements, f"reshape of {list(pattern.shape)}")
    fixed = pattern.partition is not None or pattern.vector is not None
    if fixed and (sizes[0] != pattern.shape[0]):
        fail(
            "shape",
            f"reshape: {list(pattern.shape)} to {list(sizes)} would change dimension 0, which has to stay",
            facts=("data do not move between partitions without an instruction",),
            fix=f"start the new shape with {pattern.shape[0]}, or reshape the HBM tensor before loading it",
        )
    old = list(full_dims(pattern))
    dims = old[:1] if fixed else []
    rest = _refit(old[1:] if fixed else old, list(sizes[1:] if fixed else sizes))
    if rest is None:
        fail(
            "language-view",
            f"reshape: the layout of {list(pattern.shape)} does not allow {list(sizes)} without a copy",
            fix=_COPY_FIRST,
        )
    return _rebuild(pattern, tuple(dims + rest))


def _refit(old: list[Dim], sizes: list[int]) -> list[Dim] | None:
    """(stride, count) pairs for `sizes` over the elements of `old`, or None when strides forbid it."""
    groups: list[Dim] = []
    for stride, count in old:
        if count == 1:
            continue
        if groups and groups[-1][0] == stride * count:
            groups[-1] = (stride, groups[-1][1] * count)
        else:
            groups.append((stride, count))
    out: list[Dim] = []
    for size in reversed(sizes):
        if size == 1:
            out.append((out[-1][0] * out[-1][1] if out else 1, 1))
            continue
        if not groups:
            return None
        stride, count = groups.pop()
        if count % size:
            return None
        out.append((stride, size))
        if count // size > 1:
            groups.append((stride * size, count // size))
    return out[::-1]


def rearrange(
    pattern: AccessPattern, source: tuple[Any, ...], target: tuple[Any, ...], fixed: dict[str, int]
) -> AccessPattern:
    dims = full_dims(pattern)
    if len(source) != len(dims):
        fail(
            "shape",
            f"rearrange: {len(source)} names for a tensor of shape {list(pattern.shape)}",
            fix=f"name all {len(dims)} dimensions",
        )
    named: dict[str, Dim] = {}
    for entry, (stride, count) in zip(source, dims, strict=True):
        names = entry if isinstance(entry, (tuple, list)) else (entry,)
        sizes = _infer(tuple(fixed.get(n, -1) for n in names), count, f"rearrange: {entry!r}")
        for name, (step, size) in zip(names, contiguous_dims(sizes), strict=True):
            named[name] = (stride * step, size)
    out: list[Dim] = []
    used: list[str] = []
    for entry in target:
        names = list(entry) if isinstance(entry, (tuple, list)) else [entry]
        used += names
        if any(n not in named for n in names):
            fail("language-view", f"rearrange: {entry!r} names a dimension that the source pattern does not have")
        merged = _merge([named[n] for n in names])
        if merged is None:
            fail(
                "language-view",
                f"rearrange: {entry!r} are not dense and cannot be merged without a copy",
                fix="reorder without merging, and copy with nl.copy before merging",
            )
        out.append(merged)
    if sorted(used) != sorted(named):
        fail("language-view", "rearrange: source and target must name the same dimensions once each")
    if pattern.partition is not None and (target[0] != source[0] or out[0] != dims[0]):
        _guard_partition(pattern, 0, "rearrange")
    return _rebuild(pattern, tuple(out))


def reinterpret(pattern: AccessPattern, dtype: DType) -> AccessPattern:
    old, new = pattern.dtype.itemsize, dtype.itemsize
    if old == new:
        return pattern.replace(dtype=dtype)
    if pattern.is_dynamic:
        fail("language-view", "view: not possible on a view with a run-time address")
    stride, count = pattern.dims[-1]
    if stride != 1 and count != 1:
        fail("language-view", f"view: the last dimension of {list(pattern.shape)} is not dense", fix=_COPY_FIRST)
    others = pattern.dims[:-1]
    if (count * old) % new or (pattern.offset * old) % new or any((s * old) % new for s, _ in others):
        fail("shape", f"view: {count} elements of {pattern.dtype} do not divide into {dtype}")
    dims = (*((s * old // new, c) for s, c in others), (1, count * old // new))
    return pattern.replace(dtype=dtype, offset=pattern.offset * old // new, dims=dims)


def raw(pattern: AccessPattern, pairs: Any, offset: int, dtype: DType) -> AccessPattern:
    """The pattern of `.ap`: pairs of (step, count) on the storage, `offset` added to the view's own."""
    try:
        dims = tuple((integer(step), integer(count)) for step, count in pairs)
    except (TypeError, ValueError):
        fail("language-view", f"ap: the pattern is {pairs!r}; it must be a list of [step, count] pairs")
    if not dims or len(dims) > MAX_DIMS or any(count < 1 for _, count in dims):
        fail("language-view", f"ap: the pattern {list(dims)} needs 1 to {MAX_DIMS} pairs with counts of at least 1")
    tensor = pattern.tensor
    view_offset = pattern.offset * pattern.dtype.itemsize // dtype.itemsize
    if pattern.partition is None:
        return AccessPattern(tensor, dtype, None, view_offset + integer(offset), dims)
    row = tensor.bytes_per_partition // dtype.itemsize
    step, count = dims[0]
    if count > 1 and step != row:
        fail(
            "partition",
            f"ap: the partition step is {step}; it must be {row}, the elements in a partition of the tensor",
            facts=("partitions are accessed one after another with the same free pattern (nki-aps.rst)",),
            fix=f"write [{row}, {count}] as the first pair",
        )
    total = pattern.partition[0] * row + view_offset + integer(offset)
    start, within = divmod(total, row) if row else (0, total)
    free = dims[1:] or ((1, 1),)
    return AccessPattern(tensor, dtype, (start, 1, count), within, free)


def dynamic_limit(pattern: AccessPattern, multiplier: int) -> int:
    """How many values of a run-time index keep `pattern` inside its tensor."""
    low, high = pattern.free_extent()
    size = pattern.tensor.bytes_per_partition // pattern.dtype.itemsize
    if low < 0 or high > size:
        return 0
    return 1 + (size - high) // multiplier if multiplier > 0 else 1
