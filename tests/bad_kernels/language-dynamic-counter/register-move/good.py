"""A device loop counts by itself."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def register_move(a):
    table = nl.load(a)
    r = nisa.register_alloc(0)
    for i in nl.dynamic_range(4):
        nisa.register_move(r, 3)
    nisa.register_store(table[0:1, 0:1], r)
    out = nl.ndarray(table.shape, dtype=table.dtype, buffer=nl.shared_hbm)
    nl.store(out, table)
    return out


def example():
    return (np.ones((1, 8), np.int32),)
