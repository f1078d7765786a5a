"""The five matrix multiplications on both engines: unequal sizes, partial tiles, three data types."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import matmul
from nki_sim import KernelError
from nki_sim.kernel import Kernel
from nki_sim.testing.strategies import shapes, tiles

FEW = settings(max_examples=5, deadline=None)
DTYPES = st.sampled_from(("float32", "bfloat16", "float16"))


def draw(data: st.DataObject, K: int, M: int, N: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    return tuple(data.draw(tiles(shape, dtype, max_magnitude=256.0)) for shape in ((K, M), (K, N)))


@FEW
@given(data=st.data(), K=st.integers(1, 128), M=st.integers(1, 128), N=st.integers(1, 512), dtype=DTYPES)
def test_basic(data: st.DataObject, K: int, M: int, N: int, dtype: str, matches: Callable[..., None]) -> None:
    matches(matmul.matmul_basic, matmul.reference, *draw(data, K, M, N, dtype))


@pytest.mark.parametrize("step", [matmul.matmul_tiled, matmul.matmul_hoisted], ids=lambda k: k.name)
@FEW
@given(data=st.data(), sizes=shapes("KMN", 1, 300), dtype=DTYPES)
def test_any_size(
    step: Kernel, data: st.DataObject, sizes: tuple[int, ...], dtype: str, matches: Callable[..., None]
) -> None:
    matches(step, matmul.reference, *draw(data, *sizes, dtype))


@pytest.mark.parametrize("step", [matmul.matmul_blocked_free, matmul.matmul_blocked], ids=lambda k: k.name)
@FEW
@given(data=st.data(), sizes=shapes("KM", 128, 384, multiple_of=128), N=st.integers(1, 700), dtype=DTYPES)
def test_multiples_of_the_tile(
    step: Kernel, data: st.DataObject, sizes: tuple[int, int], N: int, dtype: str, matches: Callable[..., None]
) -> None:
    matches(step, matmul.reference, *draw(data, *sizes, N, dtype))


@pytest.mark.parametrize(
    ("step", "K", "M", "N"),
    [
        (matmul.matmul_tiled, 130, 129, 513),
        (matmul.matmul_hoisted, 130, 129, 513),
        (matmul.matmul_blocked_free, 256, 640, 1100),
    ],
    ids=lambda v: getattr(v, "name", str(v)),
)
def test_more_than_one_tile_of_everything(step: Kernel, K: int, M: int, N: int, matches: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((K, M), dtype=np.float32), rng.standard_normal((K, N), dtype=np.float32)
    matches(step, matmul.reference, left, right)


@pytest.mark.parametrize("blocks", [(128, 512, 128), (256, 600, 384)])
def test_blocks_smaller_than_the_matrices(blocks: tuple[int, int, int], matches: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    left = rng.standard_normal((512, 384)).astype(ml_dtypes.bfloat16)
    right = rng.standard_normal((512, 1030)).astype(ml_dtypes.bfloat16)
    matches(matmul.matmul_blocked, matmul.reference, left, right, *blocks)


def test_the_steps_refuse_what_they_cannot_do() -> None:
    odd = np.zeros((129, 128), np.float32)
    for step in (matmul.matmul_basic, matmul.matmul_blocked_free, matmul.matmul_blocked):
        with pytest.raises((AssertionError, KernelError), match="128"):
            step(odd, odd)
