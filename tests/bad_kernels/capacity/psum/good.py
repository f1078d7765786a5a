"""Accumulators alive together fit the eight banks of PSUM."""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def psum(a):
    tile = nl.load(a)
    accumulators = []
    for _ in range(8):
        acc = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(dst=acc, stationary=tile[:, 0:128], moving=tile)
        accumulators.append(acc)
    total = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=total, value=0.0)
    for acc in accumulators:
        nisa.tensor_tensor(dst=total, data1=acc, data2=total, op=nl.add)
    out = nl.ndarray(total.shape, dtype=total.dtype, buffer=nl.shared_hbm)
    nl.store(out, total)
    return out


def example():
    return (np.ones((64, 512), ml_dtypes.bfloat16),)
