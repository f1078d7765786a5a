"""Views of tensors against NumPy views, element by element, on chip and in HBM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nki_sim.language as nl
from nki_sim import BoundsError, LanguageError, ShapeError, kernel
from nki_sim.language.tensor import ndarray
from tests.support.recording import recording

SPACES = [nl.sbuf, nl.shared_hbm]


def elements(tensor: ndarray) -> list[int]:
    """Storage positions of a view's elements in order, partitions counted as rows of the storage."""
    pattern = tensor.access_pattern
    row = pattern.tensor.free_elements
    return [p * row + offset for p, offset in pattern.element_offsets()]


def same(tensor: ndarray, array: Any) -> bool:
    return tuple(tensor.shape) == array.shape and elements(tensor) == array.ravel().tolist()


def as_ndarray(array: Any, on_chip: bool) -> Any:
    """A NumPy view with the dimensions NKI keeps: two on chip, one in HBM."""
    while array.ndim < (2 if on_chip else 1):
        array = array[..., None]
    return array


@st.composite
def one_index(draw: st.DrawFn, size: int) -> Any:
    if draw(st.booleans()):
        return draw(st.integers(-size, size - 1))
    start = draw(st.integers(0, size - 1))
    stop = draw(st.integers(start + 1, size))
    step = draw(st.integers(1, 3))
    if draw(st.booleans()):
        return slice(start, stop, step)
    return slice(start if start else None, stop if stop < size else None, None)


@st.composite
def index_case(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=2, max_size=4)))
    count = draw(st.integers(0, len(shape)))
    keys: list[Any] = [draw(one_index(shape[i])) for i in range(count)]
    if count and draw(st.booleans()):
        at = draw(st.integers(0, count))
        tail = [draw(one_index(size)) for size in shape[len(shape) - (count - at) :]] if count > at else []
        keys = [*keys[:at], ..., *tail]
    return shape, tuple(keys)


@given(case=index_case(), space=st.sampled_from(SPACES))
def test_indexing_reads_what_numpy_reads(case: Any, space: Any) -> None:
    shape, keys = case
    on_chip = space is nl.sbuf
    array = np.arange(np.prod(shape)).reshape(shape)
    expected = array[keys]
    if keys and keys[0] is Ellipsis and len(keys) > len(shape):
        keys = keys[1:]  # it stands for no dimension: the next index is that of dimension 0
    if on_chip and keys and isinstance(keys[0], int):
        first = keys[0] % shape[0]
        expected = array[(slice(first, first + 1), *keys[1:])]
    with recording():
        view = ndarray(shape, nl.float32, space)[keys]
        assert same(view, as_ndarray(expected, on_chip))


@st.composite
def view_chain(draw: st.DrawFn) -> tuple[tuple[int, ...], list[tuple[str, Any]]]:
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=2, max_size=4)))
    steps = draw(
        st.lists(
            st.sampled_from(["slice", "permute", "expand", "broadcast", "reshape", "flatten", "split", "squeeze"]),
            max_size=4,
        )
    )
    return shape, [(step, draw(st.integers(0, 1_000_000))) for step in steps]


def _apply(step: str, seed: int, view: ndarray, array: Any, low: int) -> tuple[ndarray, Any] | None:
    """One view operation on both; None when it does not apply. `low` is the first dimension that may change."""
    rank = view.ndim
    if rank <= low:
        return None
    dim = low + seed % (rank - low)
    size = view.shape[dim]
    if step == "slice":
        start, stop = seed % size, size
        return view.slice(dim, start, stop, 1 + seed % 2), array[
            (slice(None),) * dim + (slice(start, stop, 1 + seed % 2),)
        ]
    if step == "permute":
        order = [*range(low), *np.random.default_rng(seed).permutation(np.arange(low, rank)).tolist()]
        return view.permute(tuple(order)), array.transpose(order)
    if step == "expand" and rank < 5:
        return view.expand_dim(dim), np.expand_dims(array, dim)
    if step == "broadcast" and size == 1:
        shape = (*array.shape[:dim], 3, *array.shape[dim + 1 :])
        return view.broadcast(dim, 3), np.broadcast_to(array, shape)
    if step == "squeeze" and size == 1 and rank > low + 1:
        return view.squeeze_dim(dim), array.squeeze(dim)
    if step == "split" and size % 2 == 0 and rank < 5:
        return view.reshape_dim(dim, (2, -1)), array.reshape(*array.shape[:dim], 2, size // 2, *array.shape[dim + 1 :])
    if step == "flatten" and rank > low + 1:
        merged = (*array.shape[:low], int(np.prod(array.shape[low:])))
        try:
            return view.flatten_dims(low, rank - 1), array.reshape(merged)
        except LanguageError:
            return None
    if step == "reshape":
        try:
            return view.reshape((*view.shape[:low], -1)), array.reshape(*array.shape[:low], -1)
        except LanguageError:
            return None
    return None


@given(case=view_chain(), space=st.sampled_from(SPACES))
def test_chains_of_views_read_what_numpy_reads(case: Any, space: Any) -> None:
    shape, steps = case
    low = 1 if space is nl.sbuf else 0
    with recording():
        view = ndarray(shape, nl.bfloat16, space)
        array = np.arange(np.prod(shape)).reshape(shape)
        for step, seed in steps:
            both = _apply(step, seed, view, array, low)
            if both is not None:
                view, array = both
        assert same(view, array)
        assert view.get_pattern() == [[s, c] for s, c in zip(view.strides, view.shape, strict=True)]


@given(case=view_chain())
def test_a_pattern_given_back_to_ap_reads_the_same(case: Any) -> None:
    shape, steps = case
    with recording():
        tensor = view = ndarray(shape, nl.float32, nl.shared_hbm)
        array = np.arange(np.prod(shape)).reshape(shape)
        for step, seed in steps:
            both = _apply(step, seed, view, array, 0)
            if both is not None:
                view, array = both
        assert elements(tensor.ap(view.get_pattern(), offset=view.offset)) == elements(view)


def test_rearrange_splits_reorders_and_merges() -> None:
    with recording():
        view = ndarray((3, 24), nl.float32).rearrange(("b", ("h", "w")), ("b", "w", "h"), {"h": 4})
        assert same(view, np.arange(72).reshape(3, 4, 6).transpose(0, 2, 1))


def test_reinterpreting_scales_the_last_dimension() -> None:
    with recording():
        tensor = ndarray((4, 8), nl.float32)
        assert tensor.view(nl.uint8).shape == (4, 32)
        assert tensor.view(nl.uint8).view(nl.float32).get_pattern() == tensor.get_pattern()
        assert tensor.ap([[16, 4], [1, 16]], dtype=nl.bfloat16).shape == (4, 16)


def test_shapes_equal_lists_as_the_documents_compare_them() -> None:
    with recording():
        assert ndarray((4, 8), nl.float32).shape == [4, 8]


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        (lambda t: t[:, 0:9], BoundsError, "slice 0:9 is outside dimension 1"),
        (lambda t: t[4], BoundsError, "index 4 is outside dimension 0"),
        (lambda t: t[:, 3:3], LanguageError, "is empty"),
        (lambda t: t[:, :, 0], LanguageError, "3 indices"),
        (lambda t: t[:, 0.5], LanguageError, "an index is a float"),
        (lambda t: t.permute((1, 0)), LanguageError, "partition dimension"),
        (lambda t: t.broadcast(1, 2), ShapeError, "has size 8, not 1"),
        (lambda t: t.reshape((2, 16)), ShapeError, "dimension 0"),
        (lambda t: t.reshape((4, 9)), ShapeError, "does not multiply to 32"),
        (lambda t: t.ap([[16, 2], [1, 8]]), Exception, "the partition step is 16; it must be 8"),
        (lambda t: t + 1, LanguageError, "operators do not work"),
        (lambda t: bool(t), LanguageError, "no truth value"),
        (lambda t: list(t), LanguageError, "cannot be iterated"),
        (lambda t: t.__setitem__(0, 1), LanguageError, "assigned"),
    ],
)
def test_what_a_view_cannot_be_is_said(operation: Any, error: type[Exception], words: str) -> None:
    with recording():
        tensor = ndarray((4, 8), nl.float32)
        with pytest.raises(error, match=words):
            operation(tensor)


def test_a_kernel_shows_the_line_of_a_bad_view() -> None:
    @kernel
    def slices_too_far(a):  # type: ignore[no-untyped-def]
        return a[0:9]

    with pytest.raises(BoundsError) as caught:
        slices_too_far(np.zeros((4, 8), np.float32))
    span = caught.value.diagnostics[0].span
    assert span is not None
    assert span.text.strip() == "return a[0:9]"
