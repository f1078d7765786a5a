"""What the kernels claim about speed, on the simulated machine: the order of the matmul steps, and who is kept busy."""

import ml_dtypes
import numpy as np
import pytest

from kernels import matmul
from kernels.flash_attention import flash_attention
from kernels.softmax import softmax
from kernels.tensor_add import tensor_add


@pytest.mark.parametrize("target", ["trn1", "trn2"])
def test_each_matmul_step_is_faster_than_the_one_before(target: str) -> None:
    left, right = np.zeros((2048, 1024), ml_dtypes.bfloat16), np.zeros((2048, 2048), ml_dtypes.bfloat16)
    steps = (matmul.matmul_tiled, matmul.matmul_hoisted, matmul.matmul_blocked_free, matmul.matmul_blocked)
    profiles = [step.with_options(target=target).profile(left, right) for step in steps]
    times = [p.total_ns for p in profiles]
    assert times == sorted(times, reverse=True) and times[0] > 2 * times[-1]
    assert profiles[-1].engines["tensor"].active_ratio > 0.7


def test_flash_attention_keeps_the_tensor_engine_busy() -> None:
    rows = np.zeros((2048, 128), np.float32)
    assert flash_attention.profile(rows, rows, rows).engines["tensor"].active_ratio > 0.7


def test_streaming_kernels_are_bound_by_the_dma() -> None:
    x = np.zeros((512, 2048), np.float32)
    for profile in (tensor_add.profile(x, x), softmax.profile(x)):
        assert profile.engines["dma"].active_ratio > 0.7
