"""Partitions are accessed one after another."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def view_ap_partition_step(a):
    tile = nl.load(a)
    result = nl.copy(tile.ap([[32, 32], [1, 32]]))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
