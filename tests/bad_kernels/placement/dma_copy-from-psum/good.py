"""dma_copy: DMA does not reach PSUM."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def dma_copy_from_psum(a):
    stationary = nl.load(a)
    acc = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=stationary)
    out = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=nl.copy(acc))
    return out


def example():
    return (np.ones((64, 32), np.float32),)
