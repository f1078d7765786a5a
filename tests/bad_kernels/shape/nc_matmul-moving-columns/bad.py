"""nc_matmul: up to gen3 the moving tile has at most 512 columns, one PSUM bank of float32."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_moving_columns(a, b):
    stationary = nl.load(a)
    moving = nl.load(b)
    acc = nl.ndarray((128, 640), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving[:, 0 : acc.shape[1]])
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((128, 128), ml_dtypes.bfloat16), np.ones((128, 640), ml_dtypes.bfloat16)
