"""Kernels for the tests of the command line: legal, refused, wrong, in place, and one without example inputs."""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


@kernel
def doubled(x):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    nl.store(result, nl.multiply(nl.load(x), 2.0))
    return result


@kernel
def half_written(x):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    half = x.shape[1] // 2
    nisa.dma_copy(dst=tile[:, 0:half], src=x[:, 0:half])
    nisa.dma_copy(dst=result, src=tile)
    return result


@kernel
def off_by_one(x):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    nl.store(result, nl.add(nl.load(x), 1.0))
    return result


@kernel
def negates_in_place(x):
    nl.store(x, nl.negative(nl.load(x)))


@kernel
def split(x, scale=1.0):
    width = x.shape[1] // 2
    left = nl.ndarray((x.shape[0], width), dtype=x.dtype, buffer=nl.shared_hbm)
    right = nl.ndarray((x.shape[0], width), dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.multiply(nl.load(x), scale)
    nl.store(left, tile[:, 0:width])
    nl.store(right, tile[:, width : 2 * width])
    return left, right


def ramp(_rng):
    return (np.arange(12, dtype=np.float32).reshape(3, 4),)


EXAMPLES = {
    "doubled": Example(inputs=ramp, reference=lambda x: 2 * x),
    "half_written": Example(inputs=ramp),
    "off_by_one": Example(inputs=ramp, reference=lambda x: x),
    "negates_in_place": Example(inputs=ramp),
}
