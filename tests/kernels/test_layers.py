"""The selective scan and the SwiGLU block on both engines."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernels.selective_scan as scans
import kernels.swiglu as mlps
from nki_sim.testing import tolerance_for
from nki_sim.testing.strategies import tiles

FEW = settings(max_examples=4, deadline=None)


@FEW
@given(
    data=st.data(),
    channels=st.sampled_from((1, 33, 128, 130)),
    times=st.integers(1, 60),
    states=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_selective_scan(
    data: st.DataObject, channels: int, times: int, states: int, seed: int, matches: Callable[..., None]
) -> None:
    rng = np.random.default_rng(seed)
    delta = rng.uniform(0.0, 0.5, (channels, times)).astype(np.float32)
    a = -rng.uniform(0.0, 16.0, (channels, states)).astype(np.float32)
    u = data.draw(tiles((channels, times), max_magnitude=64.0))
    b, c = (data.draw(tiles((states, times), max_magnitude=64.0)) for _ in range(2))
    tolerance = tolerance_for("float32", max(times * states, channels))
    matches(scans.selective_scan, scans.reference, delta, u, a, b, c, tolerance=tolerance)


def test_selective_scan_carries_its_state_over_chunks(matches: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    channels, times, states = 130, 1030, 2
    # Slow decay: what happens in one chunk is still felt in the next two.
    delta = rng.uniform(0.0, 0.01, (channels, times)).astype(np.float32)
    a = -rng.uniform(0.0, 0.1, (channels, states)).astype(np.float32)
    u, b, c = (rng.standard_normal(s, dtype=np.float32) for s in ((channels, times), (states, times), (states, times)))
    matches(scans.selective_scan, scans.reference, delta, u, a, b, c)


@FEW
@given(
    data=st.data(),
    tokens=st.sampled_from((1, 100, 128, 130)),
    hidden=st.sampled_from((128, 256)),
    features=st.sampled_from((128, 384)),
    dtype=st.sampled_from(("bfloat16", "float32")),
)
def test_swiglu(
    data: st.DataObject, tokens: int, hidden: int, features: int, dtype: str, matches: Callable[..., None]
) -> None:
    x = data.draw(tiles((tokens, hidden), dtype, max_magnitude=4.0))
    w_gate, w_up = (data.draw(tiles((hidden, features), dtype, max_magnitude=0.5)) for _ in range(2))
    w_down = data.draw(tiles((features, hidden), dtype, max_magnitude=0.5))
    tolerance = tolerance_for(dtype, features, intermediate=dtype)
    matches(mlps.swiglu, mlps.reference, x, w_gate, w_up, w_down, tolerance=tolerance)


@pytest.mark.parametrize(("tokens", "hidden", "features"), [(515, 128, 128), (1, 640, 128), (1, 128, 640)])
def test_swiglu_beyond_one_bank(tokens: int, hidden: int, features: int, matches: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    args = tuple(
        (rng.standard_normal(shape) * 0.1).astype(ml_dtypes.bfloat16)
        for shape in ((tokens, hidden), (hidden, features), (hidden, features), (features, hidden))
    )
    tolerance = tolerance_for("bfloat16", 640, intermediate="bfloat16")
    matches(mlps.swiglu, mlps.reference, *args, tolerance=tolerance)
