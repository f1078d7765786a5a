"""A register is loaded from bytes that are there."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def register():
    table = nl.ndarray((1, 8), dtype=nl.int32, buffer=nl.sbuf)
    nisa.memset(dst=table[:, 0:8], value=1)
    r = nisa.register_alloc(table[0:1, 0:1])
    nisa.register_store(table[0:1, 7:8], r)
    out = nl.ndarray(table.shape, dtype=table.dtype, buffer=nl.shared_hbm)
    nl.store(out, table)
    return out


def example():
    return ()
