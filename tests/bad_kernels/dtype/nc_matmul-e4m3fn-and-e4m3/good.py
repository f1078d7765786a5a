"""nc_matmul: the OCP and the legacy format of float8 e4m3 do not meet."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel(target="trn3")
def nc_matmul_e4m3fn_and_e4m3(a, b):
    stationary = nl.load(a)
    moving = nl.load(b, dtype=nl.float8_e4m3fn)
    acc = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((128, 128), ml_dtypes.float8_e4m3fn), np.ones((128, 256), ml_dtypes.float8_e4m3)
