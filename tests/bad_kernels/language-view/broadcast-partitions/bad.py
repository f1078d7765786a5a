"""Data do not spread over partitions without an instruction."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def broadcast_partitions(a):
    tile = nl.load(a)
    result = nl.copy(tile.broadcast(0, 64))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((1, 1), np.float32),)
