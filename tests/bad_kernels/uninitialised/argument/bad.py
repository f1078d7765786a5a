"""Undefined bytes do not reach an argument that the kernel writes."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def argument(a):
    tile = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=tile[0:32], value=1.0)
    nl.store(a, tile)
    return a


def example():
    return (np.ones((64, 32), np.float32),)
