"""An access of 33 to 64 partitions starts at 0 or 64."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def start_of_64(a):
    tile = nl.load(a)
    result = nl.ndarray((48, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=result, src=tile[64:112])
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((128, 32), np.float32),)
