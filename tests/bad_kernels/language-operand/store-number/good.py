"""nl.store writes a tile."""

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def store_number():
    out = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.shared_hbm)
    nl.store(out, nl.zeros((64, 32), dtype=nl.float32))
    return out


def example():
    return ()
