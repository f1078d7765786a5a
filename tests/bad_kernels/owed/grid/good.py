"""A launch grid of more than one program is owed."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def double(tile):
    return nl.multiply(tile, 2.0)


@kernel
def grid(a):
    tile = nl.load(a)
    doubled = double[1](tile)
    out = nl.ndarray(doubled.shape, dtype=doubled.dtype, buffer=nl.shared_hbm)
    nl.store(out, doubled)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
