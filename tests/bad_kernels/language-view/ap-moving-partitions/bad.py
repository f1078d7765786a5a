"""The first partition is fixed while the kernel is built."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def ap_moving_partitions(a):
    tile = nl.load(a)
    r = nisa.register_alloc(1)
    result = nl.copy(tile.ap([[32, 1], [1, 32]], scalar_offset=r, indirect_dim=0))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
