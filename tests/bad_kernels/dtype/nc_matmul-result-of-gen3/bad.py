"""nc_matmul: up to gen3 PSUM accumulates float32 only."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_result_of_gen3(a, b):
    stationary = nl.load(a)
    moving = nl.load(b)
    acc = nl.ndarray((128, 256), dtype=nl.bfloat16, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((128, 128), ml_dtypes.bfloat16), np.ones((128, 256), ml_dtypes.bfloat16)
