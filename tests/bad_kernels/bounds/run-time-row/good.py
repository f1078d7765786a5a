"""A row number read from data lies inside the tensor when the kernel runs."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def run_time_row(a, b):
    numbers = nl.load(b)
    row = nisa.register_alloc(numbers[0:1, 1:2])
    out = nl.ndarray((1, 32), dtype=a.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=a[row])
    return out


def example():
    return np.ones((64, 32), np.float32), np.array([[64, 63]], np.int32)
