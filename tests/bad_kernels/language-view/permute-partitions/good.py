"""The partition dimension of an on-chip tensor stays first."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def permute_partitions(a):
    tile = nl.load(a)
    result = nl.copy(tile.permute((0, 2, 1)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((8, 4, 32), np.float32),)
