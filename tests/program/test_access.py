"""AccessPattern: extents, counts and coalescing against a walk over every element."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from nki_sim.program.access import AccessPattern, Dim, DynamicOffset, VectorOffset, coalesce, contiguous_dims
from nki_sim.program.dtypes import ALL, DType, bfloat16, float32
from nki_sim.program.ir import Register, TensorDecl
from tests.support.ir import Build

dims = st.lists(st.tuples(st.integers(-6, 12), st.integers(0, 4)), max_size=4).map(tuple)
filled = st.lists(st.tuples(st.integers(-6, 12), st.integers(1, 4)), max_size=4).map(tuple)
partitions = st.tuples(st.integers(0, 64), st.integers(0, 3), st.integers(1, 5))


def tensor(space: str = "sbuf", dtype: DType = float32) -> TensorDecl:
    return Build().tensor(space, (128, 64), dtype)


def walked(offset: int, shape: tuple[Dim, ...]) -> list[int]:
    """Element offsets in row-major order, the plain way."""
    return [
        offset + sum(i * stride for i, (stride, _) in zip(index, shape, strict=True))
        for index in product(*(range(count) for _, count in shape))
    ]


@given(dims)
def test_coalescing_keeps_elements_and_order(shape: tuple[Dim, ...]) -> None:
    assert walked(0, coalesce(shape)) == walked(0, shape)


@given(filled)
def test_coalescing_leaves_nothing_to_merge(shape: tuple[Dim, ...]) -> None:
    merged = coalesce(shape)
    assert all(count != 1 for _, count in merged)
    assert all(outer != inner * count for (outer, _), (inner, count) in pairwise(merged))
    assert coalesce(merged) == merged


@given(st.lists(st.integers(1, 6), max_size=4).map(tuple))
def test_a_contiguous_shape_becomes_one_dimension(shape: tuple[int, ...]) -> None:
    total = len(walked(0, contiguous_dims(shape)))
    assert walked(0, contiguous_dims(shape)) == list(range(total))
    assert coalesce(contiguous_dims(shape)) == (((1, total),) if total != 1 else ())


@given(dims, st.integers(0, 30), partitions | st.none(), st.sampled_from(ALL))
def test_extents_counts_and_shape(
    shape: tuple[Dim, ...], offset: int, partition: tuple[int, int, int] | None, dtype: DType
) -> None:
    pattern = AccessPattern(tensor("hbm" if partition is None else "sbuf"), dtype, partition, offset, shape)
    offsets = walked(offset, shape)
    rows = 1 if partition is None else partition[2]
    assert pattern.free_elements == len(offsets)
    assert pattern.elements == rows * len(offsets)
    assert pattern.nbytes == pattern.elements * dtype.itemsize
    assert pattern.shape == (() if partition is None else (rows,)) + tuple(count for _, count in shape)
    assert pattern.on_chip == (partition is not None)
    low, high = pattern.free_extent()
    if offsets:
        assert (low, high) == (min(offsets), max(offsets) + 1)
    else:
        assert low == high
    touched = {e * dtype.itemsize + b for e in offsets for b in range(dtype.itemsize)}
    first, end = pattern.byte_extent()
    assert (first, end) == ((min(touched), max(touched) + 1) if touched else (first, first))


@given(filled, st.integers(0, 30), partitions | st.none())
def test_elements_in_order(shape: tuple[Dim, ...], offset: int, partition: tuple[int, int, int] | None) -> None:
    pattern = AccessPattern(tensor("hbm" if partition is None else "sbuf"), float32, partition, offset, shape)
    rows = [0] if partition is None else [partition[0] + p * partition[1] for p in range(partition[2])]
    assert list(pattern.element_offsets()) == [(row, e) for row in rows for e in walked(offset, shape)]


def test_equality_is_by_value_and_tensors_by_identity() -> None:
    a, b = tensor(), tensor()
    assert a.whole() == a.whole() and hash(a.whole()) == hash(a.whole())
    assert a.whole() != b.whole() and a.whole() != "a tile"
    for changes in (
        {"dtype": bfloat16},
        {"partition": (0, 1, 64)},
        {"offset": 1},
        {"dims": ((1, 32),)},
        {"dynamic": DynamicOffset(Register(0), 1, 2)},
        {"vector": VectorOffset(b.whole(), 1, 2)},
    ):
        changed = a.whole().replace(**changes)
        assert changed != a.whole()
        assert all(getattr(changed, name) == value for name, value in changes.items())
        assert changed.is_dynamic == bool({"dynamic", "vector"} & set(changes))


def test_whole_tensors() -> None:
    tile, flat = tensor(), tensor("hbm")
    assert tile.whole().shape == flat.whole().shape == (128, 64)
    assert tile.whole().partition == (0, 1, 128) and flat.whole().partition is None
    assert (tile.bytes_per_partition, flat.bytes_per_partition) == (256, 32768)
    assert tile.nbytes == flat.nbytes == tile.whole().nbytes == flat.whole().nbytes == 32768
    assert tile.whole().space == "sbuf" and flat.partitions == 1
