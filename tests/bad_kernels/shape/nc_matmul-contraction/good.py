"""nc_matmul: both inputs have the contraction dimension on their partitions."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_contraction(a, b):
    stationary = nl.load(a)
    moving = nl.load(b[0:64])
    acc = nl.ndarray((32, 256), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((128, 256), np.float32)
