"""Partitions are not summed by nl.sum."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def sum_over_partitions(a):
    tile = nl.load(a)
    total = nl.sum(tile, axis=0)
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
