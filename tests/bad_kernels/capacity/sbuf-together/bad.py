"""Tiles alive together fit SBUF."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def sbuf_together():
    first = nl.zeros((128, 30000), dtype=nl.float32)
    second = nl.zeros((128, 30000), dtype=nl.float32)
    nisa.tensor_tensor(dst=first, data1=first, data2=second, op=nl.add)
    total = nl.sum(first, axis=1)
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return ()
