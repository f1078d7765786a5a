"""What is repeated has size 1."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def broadcast_to(a):
    tile = nl.load(a)
    wide = nl.broadcast_to(tile, (64, 64))
    out = nl.ndarray(wide.shape, dtype=wide.dtype, buffer=nl.shared_hbm)
    nl.store(out, wide)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
