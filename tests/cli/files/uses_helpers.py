"""Kernels whose loads are issued in another file; one that raises, one whose result has another shape than expected."""

import numpy as np
from helpers import load

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


@kernel
def twice(x):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = load(x)
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
    nisa.dma_copy(dst=result, src=tile)
    return result


@kernel
def raising(x):
    return x.shape[0] / 0


@kernel
def nothing(x):
    pass


def inputs(rng):
    return (rng.standard_normal((128, 512), dtype=np.float32),)


EXAMPLES = {
    "twice": Example(inputs=inputs, reference=lambda x: 2 * x[0]),
    "raising": Example(inputs=inputs, reference=None),
    "nothing": Example(inputs=inputs, reference=lambda x: x),
}
