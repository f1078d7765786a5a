"""Some operators exist for op= only."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def name_called(a):
    tile = nl.load(a)
    sloped = nl.prelu(tile)
    out = nl.ndarray(sloped.shape, dtype=sloped.dtype, buffer=nl.shared_hbm)
    nl.store(out, sloped)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
