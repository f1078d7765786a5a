"""nc_matmul: transposed float8 comes out as 16-bit elements."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_transpose_float8(a, b):
    tile = nl.load(a)
    identity = nl.load(b)
    turned = nl.ndarray((128, 128), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=turned, stationary=tile, moving=identity, is_transpose=True)
    out = nl.ndarray(turned.shape, dtype=turned.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(turned))
    return out


def example():
    return np.ones((128, 128), ml_dtypes.float8_e4m3), np.eye(128, dtype=ml_dtypes.float8_e4m3)
