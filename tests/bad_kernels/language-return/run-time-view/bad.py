"""A result is at an address known while the kernel is built."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def run_time_view(a):
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=a)
    return out.select(0, nisa.register_alloc(1))


def example():
    return (np.ones((64, 32), np.float32),)
