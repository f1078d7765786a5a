"""An instruction that the documents describe and nki_sim does not have yet says so."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def instruction(a):
    tile = nl.load(a)
    largest = nl.ndarray((64, 8), dtype=nl.float32, buffer=nl.sbuf)
    nisa.max8(dst=largest, src=tile)
    out = nl.ndarray(largest.shape, dtype=largest.dtype, buffer=nl.shared_hbm)
    nl.store(out, largest)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
