"""gen2 has less SBUF than gen3."""

import nki_sim.language as nl
from nki_sim import kernel


@kernel(target="trn2")
def sbuf_of_gen2():
    tile = nl.zeros((128, 50000), dtype=nl.float32)
    total = nl.sum(tile, axis=1)
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return ()
