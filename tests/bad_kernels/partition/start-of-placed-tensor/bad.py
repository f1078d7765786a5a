"""The rule of starts counts from where the kernel placed the tensor."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def start_of_placed_tensor(a):
    tile = nl.ndarray((48, 32), dtype=nl.float32, buffer=nl.sbuf, address=(32, 0))
    nisa.dma_copy(dst=tile, src=a)
    result = nl.ndarray((48, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=result, src=tile)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((48, 32), np.float32),)
