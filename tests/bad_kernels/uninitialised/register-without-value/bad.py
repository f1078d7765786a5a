"""A register is set before it is used."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def register_without_value():
    table = nl.zeros((1, 8), dtype=nl.int32)
    r = nisa.register_alloc()
    nisa.register_store(table[0:1, 7:8], r)
    out = nl.ndarray(table.shape, dtype=table.dtype, buffer=nl.shared_hbm)
    nl.store(out, table)
    return out


def example():
    return ()
