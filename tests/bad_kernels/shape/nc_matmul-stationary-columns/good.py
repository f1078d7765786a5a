"""nc_matmul: the stationary tile has at most as many columns as the systolic array."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_stationary_columns(a, b):
    stationary = nl.load(a)
    moving = nl.load(b)
    acc = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary[:, 0:128], moving=moving)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((128, 256), ml_dtypes.bfloat16), np.ones((128, 256), ml_dtypes.bfloat16)
