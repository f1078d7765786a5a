"""A view has one run-time index."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def two_run_time_indices(a):
    r = nisa.register_alloc(1)
    result = nl.copy(nl.load(a[r, 0].reshape((1, 32))))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((4, 4, 32), np.float32),)
