"""A misspelt name is the kernel's own mistake."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def attribute(a):
    tile = nl.load(a)
    doubled = nl.mulitply(tile, 2.0)
    out = nl.ndarray(doubled.shape, dtype=doubled.dtype, buffer=nl.shared_hbm)
    nl.store(out, doubled)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
