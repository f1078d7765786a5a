"""nc_matmul: tile_size and tile_position come together."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def nc_matmul_tile_size_alone(a, b):
    stationary = nl.load(a)
    moving = nl.load(b)
    acc = nl.ndarray((a.shape[1], 256), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=moving, tile_size=(32, 32))
    out = nl.ndarray(acc.shape, dtype=acc.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.copy(acc))
    return out


def example():
    return np.ones((32, 32), np.float32), np.ones((32, 256), np.float32)
