"""A register is tested by `while` alone."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def register(a):
    table = nl.load(a)
    r = nisa.register_alloc(table[0:1, 0:1])
    tile = nl.zeros((1, 8), dtype=nl.int32)
    if r:
        nisa.memset(dst=tile, value=1)
        nisa.register_move(r, 0)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return (np.ones((1, 8), np.int32),)
