"""In a device loop, what accumulate=None means depends on the pass: the documents do not say."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def loop_decides(a):
    stationary = nl.load(a)
    moving = nl.load(a)
    acc = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.psum)

    for _ in nl.dynamic_range(4):
        nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving, accumulate=False)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return (np.ones((64, 32), np.float32),)
