"""RMSNorm and LayerNorm of a few tokens whose hidden dimension lies across the partitions, as before a decode MLP.

As nki-library's rmsnorm_tkg and layernorm_tkg: sums along each partition on Vector, across partitions by a product with
a constant matrix, everything between in float32.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl

LANES = 128
EPSILON = 1e-6


def constant(value, columns):
    """[128, columns] float32, filled with `value`."""
    tile = nl.ndarray((LANES, columns), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=tile, value=value)
    return tile


def summed(tile):
    """Sums along the last dimension of [128, T, n], as [128, T]."""
    sums = nl.ndarray((LANES, tile.shape[1]), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=sums, op=nl.add, data=tile, axis=2)
    return sums


def squared(tile):
    squares = nl.ndarray(tile.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=squares, op=nl.square, data=tile)
    return squares


def across(weight, sums):
    """`weight` times the sums [128, T] over all partitions, on every partition, in PSUM."""
    bank = nl.ndarray(sums.shape, dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=bank, stationary=weight, moving=sums)
    return bank


def inverse_root(values, scale):
    """1 / sqrt(scale * values + epsilon)."""
    inverse = nl.ndarray(values.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=inverse, op=nl.rsqrt, data=values, scale=scale, bias=constant(EPSILON, 1))
    return inverse


def along(values, length):
    """[128, T] as [128, T, length], each value repeated."""
    return values.expand_dim(2).broadcast(2, length)


def rms_normed(tile, gains):
    """[128, T, n], which holds T tokens of 128 * n, over their root mean square and times `gains` [128, n]."""
    _, tokens, length = tile.shape
    total = across(constant(1.0, LANES), summed(squared(tile)))
    gained = nl.ndarray(tile.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=gained, data1=tile, data2=gains.expand_dim(1).broadcast(1, tokens), op=nl.multiply)
    inverse = inverse_root(total, 1.0 / (LANES * length))
    result = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=result, data1=gained, data2=along(inverse, length), op=nl.multiply)
    return result


def layer_normed(tile, gains):
    """The same less the mean and over the standard deviation, E[x * x] - E[x] * E[x]."""
    _, tokens, length = tile.shape
    share = constant(1.0 / (LANES * length), LANES)
    mean_square = across(share, summed(squared(tile)))
    mean = across(share, summed(tile))
    result = nl.ndarray(tile.shape, dtype=tile.dtype, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=result, data1=tile, data2=along(mean, length), op=nl.subtract)
    square = squared(mean)
    variance = nl.ndarray(mean.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=variance, data1=mean_square, data2=square, op=nl.subtract)
    inverse = inverse_root(variance, 1.0)
    nisa.tensor_tensor(dst=result, data1=result, data2=gains.expand_dim(1).broadcast(1, tokens), op=nl.multiply)
    nisa.tensor_tensor(dst=result, data1=result, data2=along(inverse, length), op=nl.multiply)
    return result
