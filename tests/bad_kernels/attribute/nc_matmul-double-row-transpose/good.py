"""nc_matmul: double_row excludes transpose mode."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_double_row_transpose(a, b):
    stationary = nl.load(a)
    moving = nl.load(b)
    acc = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving, is_transpose=acc.dtype == moving.dtype, perf_mode=nisa.matmul_perf_mode.double_row)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((128, 2, 128), ml_dtypes.float8_e4m3), np.ones((128, 2, 256), ml_dtypes.float8_e4m3)
