"""nc_matmul: both inputs are needed."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_no_moving(a, b):
    stationary = nl.load(a)
    acc = nl.ndarray((32, 256), dtype=nl.float32, buffer=nl.psum)
    moving = nl.load(b)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((32, 32), np.float32), np.ones((32, 256), np.float32)
