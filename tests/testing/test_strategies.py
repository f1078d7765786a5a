"""The input strategies keep their promises: finite, in range, of the asked type, and hostile often enough to matter."""

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from nki_sim.program.dtypes import DType, bool_, dtype_of, tfloat32
from nki_sim.testing import Example
from nki_sim.testing.strategies import STYLES, arrays_for, dtypes, fill, shapes, sizes, tiles

EVERY = dtypes("float", "int", "uint", "bool")


@given(dtype=EVERY, style=st.sampled_from(STYLES), seed=st.integers(0, 99), limit=st.sampled_from((None, 1.0, 100.0)))
def test_tiles_are_finite_and_within_the_magnitude(dtype: DType, style: str, seed: int, limit: float | None) -> None:
    array = fill((5, 7), dtype, style, np.random.default_rng(seed), limit)  # type: ignore[arg-type]
    assert array.shape == (5, 7) and dtype_of(array.dtype) == dtype
    values = array.astype(np.float64)
    assert np.isfinite(values).all()
    if dtype is not bool_ and (limit is not None or dtype.is_float):
        assert np.abs(values).max() <= (2.0**20 if limit is None else limit)


@settings(max_examples=20)
@given(tile=tiles(shapes(low=1, high=20), EVERY))
def test_shape_and_type_may_be_strategies(tile: np.ndarray) -> None:
    assert tile.ndim == 2 and max(tile.shape) <= 20
    assert dtype_of(tile.dtype) is not tfloat32


@pytest.mark.parametrize(
    "wanted",
    [
        lambda a: bool((a < 0).all()),
        lambda a: bool((a == 0).sum() > 4),
        lambda a: bool(((np.abs(a) > 0) & (np.abs(a) < 2.0**-126)).any()),
        lambda a: bool(np.abs(a).max() > 2.0**60 * max(float(np.abs(a).min()), 1e-30)),
        lambda a: bool((a == a[:, :1]).all() and len(np.unique(a[:, 0])) > 1 and (a != 0).all()),
        lambda a: bool(((a == 0) & np.signbit(a)).any()),
    ],
    ids=["negative", "zeros", "subnormal", "wide range", "constant rows", "negative zero"],
)
def test_hostile_values_are_drawn(wanted: object) -> None:
    assert find(tiles((4, 6)), wanted, settings=settings(max_examples=400, database=None)) is not None  # type: ignore[arg-type]


@given(shape=shapes("MKN", 1, 300))
def test_dimensions_differ(shape: tuple[int, ...]) -> None:
    assert len(set(shape)) == 3 and all(1 <= n <= 300 for n in shape)


@given(shape=shapes(3, 128, 256, multiple_of=128))
def test_dimensions_repeat_when_there_are_too_few(shape: tuple[int, ...]) -> None:
    assert set(shape) <= {128, 256}


@pytest.mark.parametrize("edge", [1, 127, 128, 129])
def test_hardware_limits_are_drawn(edge: int) -> None:
    assert find(sizes(), lambda n: n == edge, settings=settings(max_examples=1000, database=None)) == edge


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple of 128"):
        sizes(1, 100, multiple_of=128)


@given(dtype=dtypes("int", max_itemsize=2))
def test_types_can_be_narrowed(dtype: DType) -> None:
    assert dtype in ("int8", "int16")


@settings(max_examples=15)
@given(data=st.data())
def test_arrays_for_an_example_keep_shapes_types_and_static_arguments(data: st.DataObject) -> None:
    example = Example(inputs=lambda rng: (rng.standard_normal((3, 4), dtype=np.float32), 7, np.zeros((2,), np.int32)))
    first, static, last = data.draw(arrays_for(example, max_magnitude=50.0))
    assert (first.shape, first.dtype, static, last.shape, last.dtype) == ((3, 4), np.float32, 7, (2,), np.int32)
    assert np.abs(first).max() <= 50.0
