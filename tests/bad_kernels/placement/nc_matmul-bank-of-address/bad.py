"""nc_matmul: a tensor that the kernel places may lie across two banks; the result must not."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_bank_of_address(a, b):
    stationary = nl.load(a)
    moving = nl.load(b)
    acc = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum, address=(0, 1536))
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving)
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((128, 128), np.float32), np.ones((128, 256), np.float32)
