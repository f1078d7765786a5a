"""nc_matmul: the Tensor engine reads SBUF only."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_moving_in_psum(a, b):
    stationary = nl.load(a)
    moving = nl.load(b)
    first = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=first, stationary=stationary, moving=moving)
    second = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=second, stationary=stationary, moving=nl.copy(first))
    out = nl.ndarray(second.shape, dtype=second.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(second))
    return out


def example():
    return np.ones((128, 128), np.float32), np.ones((128, 256), np.float32)
