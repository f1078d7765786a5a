"""Reductions go over the last dimensions."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def max_over_inner(a):
    tile = nl.load(a)
    largest = nl.max(tile, axis=1)
    out = nl.ndarray(largest.shape, dtype=largest.dtype, buffer=nl.shared_hbm)
    nl.store(out, largest)
    return out


def example():
    return (np.ones((64, 4, 8), np.float32),)
