"""The bound of a device loop is set before the loop."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def loop_bound():
    table = nl.zeros((1, 8), dtype=nl.int32)
    stop = nisa.register_alloc()
    for i in nl.dynamic_range(stop):
        nisa.memset(dst=table[0:1, i], value=1)
    out = nl.ndarray(table.shape, dtype=table.dtype, buffer=nl.shared_hbm)
    nl.store(out, table)
    return out


def example():
    return ()
