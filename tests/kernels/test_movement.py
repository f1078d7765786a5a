"""Addition, transposes and pooling on both engines, over shapes with partial tiles and hostile values."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernels.average_pool2d as pooling
import kernels.tensor_add as addition
import kernels.transpose2d as transposing
from nki_sim import KernelError
from nki_sim.testing.strategies import dtypes, shapes, tiles

FLOATS = dtypes("float", min_itemsize=2)
FEW = settings(max_examples=6, deadline=None)


@FEW
@given(data=st.data(), shape=shapes(2, 1, 300), dtype=FLOATS)
def test_tensor_add(data: st.DataObject, shape: tuple[int, ...], dtype: str, matches: Callable[..., None]) -> None:
    a, b = (data.draw(tiles(shape, dtype)) for _ in range(2))
    matches(addition.tensor_add, addition.reference, a, b)


def test_tensor_add_splits_long_rows(matches: Callable[..., None]) -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 130, 2049), dtype=np.float32)
    matches(addition.tensor_add, addition.reference, a, b)


@FEW
@given(data=st.data(), shape=shapes(2, 1, 200))
def test_tensor_add_of_integers_is_exact(
    data: st.DataObject, shape: tuple[int, ...], matches: Callable[..., None]
) -> None:
    a, b = (data.draw(tiles(shape, "int32", max_magnitude=2**29)) for _ in range(2))
    matches(addition.tensor_add, addition.reference, a, b)


def test_tensor_add_refuses_different_shapes() -> None:
    with pytest.raises((AssertionError, KernelError), match="one shape"):
        addition.tensor_add(np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32))


@FEW
@given(data=st.data(), shape=shapes(2, 1, 280), dtype=FLOATS)
def test_transpose2d_keeps_every_bit(data: st.DataObject, shape: tuple[int, ...], dtype: str, engine: str) -> None:
    x = data.draw(tiles(shape, dtype))
    flipped = transposing.transpose2d.with_options(engine=engine)(x)
    assert flipped.tobytes() == x.T.tobytes()


def test_transpose2d_fills_more_than_one_bank(engine: str) -> None:
    x = np.random.default_rng(0).standard_normal((600, 130), dtype=np.float32)
    assert np.array_equal(transposing.transpose2d.with_options(engine=engine)(x), x.T)


@FEW
@given(data=st.data(), shape=st.tuples(st.integers(1, 140), st.integers(1, 20), st.integers(1, 20)), dtype=FLOATS)
def test_swap_free_axes_keeps_every_bit(data: st.DataObject, shape: tuple[int, ...], dtype: str, engine: str) -> None:
    x = data.draw(tiles(shape, dtype))
    swapped = transposing.swap_free_axes.with_options(engine=engine)(x)
    assert swapped.tobytes() == x.swapaxes(1, 2).tobytes()


@FEW
@given(
    data=st.data(),
    channels=st.sampled_from((1, 31, 128, 130)),
    height=st.integers(5, 24),
    width=st.integers(5, 24),
    pool=st.integers(1, 5),
    stride=st.one_of(st.none(), st.integers(1, 4)),
    dtype=FLOATS,
)
def test_average_pool2d(
    data: st.DataObject,
    channels: int,
    height: int,
    width: int,
    pool: int,
    stride: int | None,
    dtype: str,
    matches: Callable[..., None],
) -> None:
    x = data.draw(tiles((channels, height, width), dtype))
    matches(pooling.average_pool2d, pooling.reference, x, pool, stride)


@pytest.mark.parametrize("stride", [None, 1])
def test_average_pool2d_in_bands(stride: int | None, matches: Callable[..., None]) -> None:
    x = np.random.default_rng(0).standard_normal((3, 70, 201), dtype=np.float32)
    matches(pooling.average_pool2d, pooling.reference, x, 3, stride)
