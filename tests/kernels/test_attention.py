"""Flash attention on both engines: lengths beyond one chunk, narrow heads, both masks, float32 and bfloat16."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernels.flash_attention as attention
from nki_sim import KernelError
from nki_sim.testing import tolerance_for
from nki_sim.testing.strategies import tiles

FEW = settings(max_examples=4, deadline=None)


@FEW
@given(
    data=st.data(),
    head=st.sampled_from((1, 17, 64, 128)),
    tiles_of=st.tuples(st.integers(1, 2), st.integers(1, 5)),
    causal=st.booleans(),
    dtype=st.sampled_from(("float32", "bfloat16")),
)
def test_flash_attention(
    data: st.DataObject, head: int, tiles_of: tuple[int, int], causal: bool, dtype: str, matches: Callable[..., None]
) -> None:
    queries, keys = 128 * tiles_of[0], 128 * tiles_of[0 if causal else 1]
    query, key, value = (data.draw(tiles((rows, head), dtype, max_magnitude=16.0)) for rows in (queries, keys, keys))
    # The probabilities are kept in the type of the values.
    tolerance = tolerance_for(dtype, max(keys, head), intermediate=dtype)
    matches(attention.flash_attention, attention.reference, query, key, value, causal, tolerance=tolerance)


@pytest.mark.parametrize("causal", [True, False])
def test_several_chunks_whose_maximum_keeps_growing(causal: bool, matches: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    query, key, value = (rng.standard_normal((1152, 32), dtype=np.float32) for _ in range(3))
    query = np.abs(query)
    key = np.abs(key) * np.linspace(0.1, 4.0, 1152, dtype=np.float32)[:, None]
    matches(attention.flash_attention, attention.reference, query, key, value, causal, 0.5)


def test_a_causal_query_ignores_later_keys(engine: str) -> None:
    rng = np.random.default_rng(0)
    query, key, value = (rng.standard_normal((256, 16)).astype(ml_dtypes.bfloat16) for _ in range(3))
    run = attention.flash_attention.with_options(engine=engine)
    before = run(query, key, value)
    key[200:], value[200:] = 7.0, -9.0
    after = run(query, key, value)
    assert before[:200].tobytes() == after[:200].tobytes()
    assert (before[200:] != after[200:]).any(axis=1).all()


@pytest.mark.parametrize(
    ("queries", "keys", "head", "causal", "message"),
    [(100, 128, 8, False, "multiples of 128"), (128, 128, 129, False, "at most 128"), (128, 256, 8, True, "as many")],
)
def test_bad_sizes_are_refused(queries: int, keys: int, head: int, causal: bool, message: str) -> None:
    query, key = np.zeros((queries, head), np.float32), np.zeros((keys, head), np.float32)
    with pytest.raises((AssertionError, KernelError), match=message):
        attention.flash_attention(query, key, key, causal)
