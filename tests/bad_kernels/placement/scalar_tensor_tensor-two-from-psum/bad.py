"""scalar_tensor_tensor: at most one of two tiles comes from PSUM."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def scalar_tensor_tensor_two_from_psum(a):
    stationary = nl.load(a)
    acc = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=stationary, moving=stationary)
    result = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.scalar_tensor_tensor(dst=result, data=acc, op0=nl.multiply, operand0=2.0, op1=nl.add, operand1=acc)
    out = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
    nl.store(out, result)
    return out


def example():
    return (np.ones((64, 32), np.float32),)
