"""nl's functions work on tiles."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def function_of_numbers(a):
    tile = nl.load(a)
    scaled = nl.multiply(2.0, 3.0)
    out = nl.ndarray(scaled.shape, dtype=scaled.dtype, buffer=nl.shared_hbm)
    nl.store(out, scaled)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
