"""nc_matmul: the array multiplies floats."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_integers(a, b):
    stationary = nl.load(a, dtype=nl.bfloat16)
    moving = nl.load(b, dtype=nl.bfloat16)
    acc = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((128, 128), np.int8), np.ones((128, 256), np.int8)
