"""register_load: a register holds one value."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def register_load_row(a):
    table = nl.load(a)
    r = nisa.register_alloc()
    nisa.register_load(r, table[0:1, 0:1])
    out = nl.ndarray(table.shape, dtype=table.dtype, buffer=nl.shared_hbm)
    nl.store(out, table)
    return out


def example():
    return (np.ones((1, 8), np.int32),)
