"""Layer normalisation: (x - mean) / sqrt(variance + epsilon) * gamma + beta, row by row.

Teaches: `bn_stats` reads up to 512 elements per partition (`nl.tile_size.bn_stats_fmax`) and leaves six numbers;
several of them, from pieces of unequal length too, `bn_aggr` merges into mean and variance without the cancellation
of "mean of squares minus square of mean". `tensor_scalar` subtracts one value per row and multiplies by another in one
pass. Values per *column* need `tensor_tensor`, which reads two streams and costs Vector twice as much; it goes to
GpSimd, which would be idle, so that the two engines share the work of a tile.
"""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


def replicate(vector, lanes):
    """A [lanes, columns] SBUF tile with `vector` [columns], a tensor in HBM, in every partition."""
    columns = vector.shape[0]
    tile = nl.ndarray((lanes, columns), dtype=vector.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=vector.reshape((1, columns)).broadcast(0, lanes))
    return tile


@kernel
def layer_norm(x, gamma, beta, epsilon=1e-5):
    """Layer normalisation of each row of x [rows, columns] with gamma and beta [columns]."""
    rows, columns = x.shape
    result = nl.ndarray((rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    lanes = min(rows, nl.tile_size.pmax)
    gammas = replicate(gamma, lanes)
    betas = replicate(beta, lanes)
    # A tile, because the bias of an activation may not be a constant before trn2.
    floor = nl.ndarray((lanes, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=floor, value=epsilon)
    piece = nl.tile_size.bn_stats_fmax
    pieces = (columns + piece - 1) // piece
    for row in nl.affine_range(0, rows, nl.tile_size.pmax):
        some = min(nl.tile_size.pmax, rows - row)
        values = nl.ndarray((some, columns), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=values, src=x[row : row + some])

        statistics = nl.ndarray((some, 6 * pieces), dtype=nl.float32, buffer=nl.sbuf)
        for index in nl.affine_range(pieces):
            nisa.bn_stats(
                dst=statistics[:, 6 * index : 6 * index + 6],
                data=values[:, index * piece : min((index + 1) * piece, columns)],
            )
        moments = nl.ndarray((some, 2), dtype=nl.float32, buffer=nl.sbuf)
        nisa.bn_aggr(dst=moments, data=statistics)
        mean, variance = moments[:, 0:1], moments[:, 1:2]

        deviation = nl.ndarray((some, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=deviation, op=nl.rsqrt, data=variance, bias=floor[0:some])

        # In float32 on the way: the result's type rounds once, at the end.
        centred = nl.ndarray((some, columns), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(
            dst=centred,
            data=values,
            op0=nl.subtract,
            operand0=mean,
            op1=nl.multiply,
            operand1=deviation,
            engine=nisa.engine.vector,
        )
        scaled = nl.ndarray((some, columns), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=scaled, data1=centred, data2=gammas[0:some], op=nl.multiply, engine=nisa.engine.gpsimd)
        normal = nl.ndarray((some, columns), dtype=x.dtype, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=normal, data1=scaled, data2=betas[0:some], op=nl.add, engine=nisa.engine.gpsimd)
        nisa.dma_copy(dst=result[row : row + some], src=normal)
    return result


def reference(x, gamma, beta, epsilon=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * gamma + beta


EXAMPLES = {
    "layer_norm": Example(
        inputs=lambda rng: (
            rng.standard_normal((512, 2048), dtype=np.float32),
            rng.standard_normal(2048, dtype=np.float32),
            rng.standard_normal(2048, dtype=np.float32),
        ),
        reference=reference,
    ),
}
