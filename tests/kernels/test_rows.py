"""Softmax and the two normalisations on both engines, over odd shapes and hostile values."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import kernels.layer_norm as layers
import kernels.rms_norm as rms
import kernels.softmax as softmaxes
from nki_sim.testing.strategies import shapes, tiles

FEW = settings(max_examples=6, deadline=None)
DTYPES = st.sampled_from(("float32", "bfloat16", "float16"))


@FEW
@given(data=st.data(), shape=shapes(2, 1, 300), dtype=DTYPES)
def test_softmax(data: st.DataObject, shape: tuple[int, int], dtype: str, matches: Callable[..., None]) -> None:
    matches(softmaxes.softmax, softmaxes.reference, data.draw(tiles(shape, dtype, max_magnitude=1024.0)))


def test_softmax_rows_sum_to_one_far_from_zero(engine: str) -> None:
    x = np.random.default_rng(0).standard_normal((130, 700), dtype=np.float32) + np.float32(1e4)
    rows = softmaxes.softmax.with_options(engine=engine)(x).astype(np.float64)
    assert np.allclose(rows.sum(axis=1), 1.0, atol=1e-5) and rows.min() >= 0.0


@FEW
@given(data=st.data(), shape=shapes(2, 1, 300), dtype=DTYPES)
def test_rms_norm(data: st.DataObject, shape: tuple[int, int], dtype: str, matches: Callable[..., None]) -> None:
    x = data.draw(tiles(shape, dtype, max_magnitude=2.0**15))
    weight = data.draw(tiles(shape[1:], dtype, max_magnitude=16.0))
    matches(rms.rms_norm, rms.reference, x, weight)


def test_rms_norm_uses_its_epsilon(matches: Callable[..., None]) -> None:
    x = np.full((5, 40), 1e-4, np.float32)
    matches(rms.rms_norm, rms.reference, x, np.ones(40, np.float32), 0.5)


@FEW
@given(data=st.data(), shape=shapes(2, 1, 300), dtype=DTYPES)
def test_layer_norm(data: st.DataObject, shape: tuple[int, int], dtype: str, matches: Callable[..., None]) -> None:
    x = data.draw(tiles(shape, dtype, max_magnitude=1024.0))
    gamma, beta = (data.draw(tiles(shape[1:], dtype, max_magnitude=16.0)) for _ in range(2))
    matches(layers.layer_norm, layers.reference, x, gamma, beta)


def test_layer_norm_merges_unequal_pieces(matches: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((130, 1301), dtype=np.float32) * 3 + 20
    gamma, beta = rng.standard_normal((2, 1301), dtype=np.float32)
    matches(layers.layer_norm, layers.reference, x, gamma, beta, 1e-3)
