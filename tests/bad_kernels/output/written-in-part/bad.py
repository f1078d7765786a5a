"""What is returned is written to its last element."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def written_in_part(a):
    out = nl.ndarray((160, 32), dtype=nl.float32, buffer=nl.shared_hbm)
    for start in range(0, 128, 32):
        nl.store(out[start : start + 32], nl.load(a[start : start + 32]))
    return out


def example():
    return (np.ones((160, 32), np.float32),)
