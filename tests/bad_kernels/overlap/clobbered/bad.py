"""A tensor placed on another's bytes destroys its values."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def clobbered(a):
    first = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf, address=(0, 0))
    second = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf, address=(0, 64))
    nisa.dma_copy(dst=first, src=a)
    nisa.memset(dst=second, value=2.0)
    total = nl.add(first, second)
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
