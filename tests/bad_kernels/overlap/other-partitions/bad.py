"""Bytes at one offset of different partitions are different bytes."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def other_partitions():
    first = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.sbuf, address=(0, 0))
    second = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.sbuf, address=(0, 0))
    nisa.memset(dst=first, value=1.0)
    nisa.memset(dst=second, value=2.0)
    total = nl.add(nl.copy(first), nl.copy(second))
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return ()
