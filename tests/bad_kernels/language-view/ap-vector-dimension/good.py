"""Row numbers count dimension 0 of an HBM tensor."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def ap_vector_dimension(a, b):
    rows = nl.load(b)
    result = nl.copy(nl.load(a.ap([[32, 16], [1, 32]], vector_offset=rows, indirect_dim=0)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 1), np.int32)
