"""What is repeated has size 1."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def view_broadcast_size(a):
    tile = nl.load(a)
    result = nl.copy(tile[:, 0:1].broadcast(1, 64))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
