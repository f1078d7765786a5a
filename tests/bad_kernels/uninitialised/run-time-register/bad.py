"""Which of two writes reaches a register is known only while running."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def run_time_register(a):
    table = nl.load(a)
    first = nisa.register_alloc(table[0:1, 0:1])
    r = nisa.register_alloc()
    for i in nl.dynamic_range(first):
        nisa.register_move(r, 7)
    nisa.register_store(table[0:1, 1:2], r)
    out = nl.ndarray(table.shape, dtype=table.dtype, buffer=nl.shared_hbm)
    nl.store(out, table)
    return out


def example():
    return (np.zeros((1, 8), np.int32),)
