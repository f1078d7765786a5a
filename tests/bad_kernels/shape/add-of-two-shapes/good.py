"""nl's functions do not broadcast tiles."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def add_of_two_shapes(a, b):
    tile = nl.load(a)
    row = nl.load(b)
    total = nl.add(tile, row.broadcast(1, 32))
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((64, 1), np.float32)
