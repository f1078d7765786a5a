"""RMS normalisation: x * weight / sqrt(mean(x^2) + epsilon), row by row.

Teaches: scaling *before* squaring, square(x / sqrt(N)), makes the row sum of the same Scalar instruction the mean
square, so nothing is left but "+ epsilon" and a reciprocal square root, both in one tensor_scalar on [128, 1]; a weight
that every partition needs is replicated by DMA from HBM with a partition stride of zero, once for the whole kernel;
`scalar_tensor_tensor` scales by a value per row and by a value per column in one pass over the data.
"""

import math

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


@kernel
def rms_norm(x, weight, epsilon=1e-6):
    """RMS normalisation of each row of x [rows, columns], scaled by weight [columns]."""
    rows, columns = x.shape
    result = nl.ndarray((rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    lanes = min(rows, nl.tile_size.pmax)
    scales = nl.ndarray((lanes, columns), dtype=weight.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=scales, src=weight.reshape((1, columns)).broadcast(0, lanes))
    for row in nl.affine_range(0, rows, nl.tile_size.pmax):
        some = min(nl.tile_size.pmax, rows - row)
        values = nl.ndarray((some, columns), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=values, src=x[row : row + some])

        squares = nl.ndarray((some, columns), dtype=nl.float32, buffer=nl.sbuf)
        mean_square = nl.ndarray((some, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(
            dst=squares,
            op=nl.square,
            data=values,
            scale=1.0 / math.sqrt(columns),
            reduce_op=nl.add,
            reduce_res=mean_square,
            reduce_cmd=nisa.reduce_cmd.reset_reduce,
        )

        # rsqrt as an ALU operator runs on GpSimd: the Scalar Engine keeps its table of functions loaded for square.
        factor = nl.ndarray((some, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(
            dst=factor,
            data=mean_square,
            op0=nl.add,
            operand0=epsilon,
            op1=nl.rsqrt,
            engine=nisa.engine.gpsimd,
        )

        normal = nl.ndarray((some, columns), dtype=x.dtype, buffer=nl.sbuf)
        nisa.scalar_tensor_tensor(
            dst=normal,
            data=values,
            op0=nl.multiply,
            operand0=factor,
            op1=nl.multiply,
            operand1=scales[0:some],
        )
        nisa.dma_copy(dst=result[row : row + some], src=normal)
    return result


def reference(x, weight, epsilon=1e-6):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


EXAMPLES = {
    "rms_norm": Example(
        inputs=lambda rng: (
            rng.standard_normal((512, 2048), dtype=np.float32),
            rng.standard_normal(2048, dtype=np.float32),
        ),
        reference=reference,
    ),
}
