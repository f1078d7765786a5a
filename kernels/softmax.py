"""Softmax over rows: four instructions per tile, spread over three engines.

Teaches: the stable form subtracts the row maximum, which `tensor_reduce(..., negate=True)` hands over already negated,
ready to be the bias of the exponential; the Scalar Engine computes exp(x + bias) and sums each row in the same pass
(`reduce_op` costs nothing but the read-out, nki.isa activation); one division per row and a multiplication per element,
instead of a division per element. Each engine works in program order, so the loop starts a tile before it finishes the
one before: Vector finds the maxima of tile i + 1 while Scalar takes the exponentials of tile i.
"""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


def exponentials(scores):
    """exp(scores - row maximum) in float32 and its row sums, for an SBUF tile [rows, columns]."""
    rows, columns = scores.shape
    minus_maximum = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=minus_maximum, op=nl.maximum, data=scores, axis=1, negate=True)
    # Kept in float32: rounding here and again after the scaling would cost accuracy.
    weights = nl.ndarray((rows, columns), dtype=nl.float32, buffer=nl.sbuf)
    sums = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(
        dst=weights,
        op=nl.exp,
        data=scores,
        bias=minus_maximum,
        reduce_op=nl.add,
        reduce_res=sums,
        reduce_cmd=nisa.reduce_cmd.reset_reduce,
    )
    return weights, sums


def store_shares(target, exponentials_and_sums):
    """Divide each row of the exponentials by its sum and write it to `target`, in HBM."""
    weights, sums = exponentials_and_sums
    share = nl.ndarray(sums.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.reciprocal(dst=share, data=sums)
    probabilities = nl.ndarray(weights.shape, dtype=target.dtype, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=probabilities, data=weights, op0=nl.multiply, operand0=share)
    nisa.dma_copy(dst=target, src=probabilities)


@kernel
def softmax(x):
    """Softmax along the last axis of x [rows, columns]; a row must fit its partition a few times over."""
    rows, columns = x.shape
    result = nl.ndarray((rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    started = []
    for row in range(0, rows, nl.tile_size.pmax):
        here = slice(row, min(row + nl.tile_size.pmax, rows))
        scores = nl.ndarray(x[here].shape, dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=scores, src=x[here])
        started.append((result[here], exponentials(scores)))
        if len(started) > 1:
            store_shares(started[-2][0], started[-2][1])
    store_shares(started[-1][0], started[-1][1])
    return result


def reference(x):
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


EXAMPLES = {
    "softmax": Example(
        inputs=lambda rng: (rng.standard_normal((512, 2048), dtype=np.float32),),
        reference=reference,
    ),
}
