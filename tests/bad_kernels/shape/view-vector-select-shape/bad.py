"""There is one row number per partition."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def view_vector_select_shape(a, b):
    rows = nl.load(b)
    result = nl.copy(nl.load(a.vector_select(0, rows)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 2), np.int32)
