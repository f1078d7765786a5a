"""LayerNorm of float32 rows in two forms: passes of one operator each, and with the statistics and fused instructions.

The forms are those of the first LayerNorm tutorial (aws-neuron-sdk @49ee15c5, general/nki/tutorials/layernorm.rst).
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

LANES = 128
STATISTICS = 512


def load_tile(source):
    """A new SBUF tile with the contents of `source`."""
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


def column():
    return nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)


def root(variance, epsilon):
    """1 / sqrt(variance + epsilon) as [128, 1]."""
    shifted, inverse = column(), column()
    nisa.tensor_scalar(dst=shifted, data=variance, op0=nl.add, operand0=epsilon)
    nisa.activation(dst=inverse, op=nl.rsqrt, data=shifted)
    return inverse


def moments_in_passes(rows):
    """Mean and variance of each row: a sum, the squares on Scalar, their sum."""
    width = rows.shape[1]
    total, mean, squared, both, variance = column(), column(), column(), column(), column()
    nisa.tensor_reduce(dst=total, data=rows, op=nl.add, axis=1)
    nisa.tensor_scalar(dst=mean, data=total, op0=nl.multiply, operand0=1.0 / width)
    squares = nl.ndarray(rows.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=squares, op=nl.square, data=rows)
    nisa.tensor_reduce(dst=squared, data=squares, op=nl.add, axis=1)
    nisa.tensor_tensor(dst=both, data1=mean, data2=mean, op=nl.multiply)
    nisa.tensor_scalar(
        dst=variance, data=squared, op0=nl.multiply, operand0=1.0 / width, op1=nl.subtract, operand1=both
    )
    return mean, variance


def moments_at_once(rows):
    """The same by batch-norm statistics of 512 columns each and their combination."""
    parts = rows.shape[1] // STATISTICS
    found = nl.ndarray((LANES, parts, 6), dtype=nl.float32, buffer=nl.sbuf)
    for part in nl.affine_range(parts):
        nisa.bn_stats(dst=found[:, part, :], data=rows[:, part * STATISTICS : (part + 1) * STATISTICS])
    pair = nl.ndarray((LANES, 2), dtype=nl.float32, buffer=nl.sbuf)
    nisa.bn_aggr(dst=pair, data=found.reshape((LANES, parts * 6)))
    return pair[:, 0:1], pair[:, 1:2]


@kernel(target="trn1")
def layer_norm(x, gain, shift, epsilon, fused):
    """(x - mean) / sqrt(variance + epsilon) * gain + shift of every row; x [M, N], gain and shift [1, N].

    fused   statistics and the shift and scale in one instruction each, instead of a pass per operator
    """
    M, N = x.shape
    out = nl.ndarray((M, N), dtype=x.dtype, buffer=nl.shared_hbm)
    gains = load_tile(gain.broadcast(0, LANES))
    shifts = load_tile(shift.broadcast(0, LANES))
    for m in nl.affine_range(0, M, LANES):
        rows = load_tile(x[m : m + LANES])
        mean, variance = moments_at_once(rows) if fused else moments_in_passes(rows)
        inverse = root(variance, epsilon)
        normed = nl.ndarray((LANES, N), dtype=nl.float32, buffer=nl.sbuf)
        if fused:
            nisa.tensor_scalar(dst=normed, data=rows, op0=nl.subtract, operand0=mean, op1=nl.multiply, operand1=inverse)
        else:
            nisa.tensor_scalar(dst=normed, data=rows, op0=nl.subtract, operand0=mean)
            nisa.tensor_scalar(dst=normed, data=normed, op0=nl.multiply, operand0=inverse)
        nisa.tensor_tensor(dst=normed, data1=normed, data2=gains, op=nl.multiply)
        nisa.tensor_tensor(dst=normed, data1=normed, data2=shifts, op=nl.add)
        nisa.dma_copy(dst=out[m : m + LANES], src=normed)
    return out
