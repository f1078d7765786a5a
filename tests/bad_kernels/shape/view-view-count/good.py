"""Elements make whole elements of the new type."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def view_view_count(a):
    tile = nl.load(a)
    result = nl.copy(tile[:, 0:30].view(nl.int32))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.int16),)
