"""A device loop's counter stays inside the tensor it indexes."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def run_time_loop():
    tile = nl.zeros((1, 8), dtype=nl.float32)
    stop = nisa.register_alloc(9)
    for i in nl.dynamic_range(stop):
        nisa.memset(dst=tile[0:1, i], value=1.0)
    out = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def example():
    return ()
