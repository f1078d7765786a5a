"""One run-time offset is enough."""

import numpy as np

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def ap_two_offsets(a, b):
    rows = nl.load(b)
    result = nl.copy(nl.load(a.ap([[32, 16], [1, 32]], scalar_offset=rows[0:1], vector_offset=rows)))
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return np.ones((64, 32), np.float32), np.ones((16, 1), np.int32)
