"""A SwiGLU block: (silu(x W_gate) * (x W_up)) W_down, three products with the activation between them.

Teaches: choose the layout of an intermediate by who reads it next. Gate and up are computed *transposed*, features on
partitions and tokens along the free axis, which is the layout the third product wants for its stationary operand, so
nothing between the products is transposed. Scalar takes silu straight from PSUM, Vector multiplies it with the other
PSUM bank and rounds to bfloat16; both run while the Tensor Engine sums the next feature tile. Weights are read once per
block of 512 tokens, the number that fills a PSUM bank.
"""

import ml_dtypes
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example
from nki_sim.testing.tolerance import tolerance_for


def split_rows(matrix):
    """A [rows, columns] tensor in HBM seen as [128, rows / 128, columns]: row r is at partition r % 128."""
    rows, columns = matrix.shape
    lanes = nl.tile_size.pmax
    return matrix.reshape((rows // lanes, lanes, columns)).permute((1, 0, 2))


def load_tokens(x):
    """x [tokens, hidden] from HBM as an SBUF tile [128, hidden / 128, tokens]: hidden on partitions."""
    tokens, hidden = x.shape
    lanes = nl.tile_size.pmax
    turned = nl.ndarray((lanes, hidden // lanes, tokens), dtype=x.dtype, buffer=nl.sbuf)
    rows = []
    for token in nl.affine_range(0, tokens, lanes):
        some = min(lanes, tokens - token)
        row = nl.ndarray((some, hidden), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=row, src=x[token : token + some])
        rows.append(row)
    for part in nl.affine_range(hidden // lanes):
        bank = nl.ndarray((lanes, tokens), dtype=x.dtype, buffer=nl.psum)
        for index in nl.affine_range(len(rows)):
            some = rows[index].shape[0]
            nisa.nc_transpose(
                dst=bank[:, index * lanes : index * lanes + some],
                data=rows[index][:, part * lanes : (part + 1) * lanes],
                engine=nisa.engine.tensor,
            )
        nisa.tensor_copy(dst=turned[:, part, :], src=bank, engine=nisa.engine.vector)
    return turned


def project(weights, tokens_t):
    """weights.T @ tokens in a PSUM tile [128 features, tokens]; weights is [128, hidden / 128, 128 features]."""
    sums = nl.ndarray((weights.shape[2], tokens_t.shape[2]), dtype=nl.float32, buffer=nl.psum)
    for part in nl.affine_range(weights.shape[1]):
        nisa.nc_matmul(dst=sums, stationary=weights[:, part, :], moving=tokens_t[:, part, :])
    return sums


@kernel
def swiglu(x, w_gate, w_up, w_down):
    """x [tokens, hidden], w_gate and w_up [hidden, features], w_down [features, hidden] -> [tokens, hidden].

    Any number of tokens; hidden and features multiples of 128.
    """
    tokens, hidden = x.shape
    features = w_gate.shape[1]
    lanes = nl.tile_size.pmax
    bank = nl.tile_size.psum_bank_fmax
    assert hidden % lanes == 0 and features % lanes == 0, "hidden and features must be multiples of 128"
    result = nl.ndarray((tokens, hidden), dtype=x.dtype, buffer=nl.shared_hbm)
    for token in nl.affine_range(0, tokens, bank):
        count = min(bank, tokens - token)
        tokens_t = load_tokens(x[token : token + count])
        gated = nl.ndarray((lanes, features // lanes, count), dtype=x.dtype, buffer=nl.sbuf)

        for feature in nl.affine_range(0, features, bank):
            width = min(bank, features - feature)
            gate_weights = nl.ndarray((lanes, hidden // lanes, width), dtype=w_gate.dtype, buffer=nl.sbuf)
            up_weights = nl.ndarray((lanes, hidden // lanes, width), dtype=w_up.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=gate_weights, src=split_rows(w_gate[:, feature : feature + width]))
            nisa.dma_copy(dst=up_weights, src=split_rows(w_up[:, feature : feature + width]))
            for part in nl.affine_range(0, width, lanes):
                gate = project(gate_weights[:, :, part : part + lanes], tokens_t)
                up = project(up_weights[:, :, part : part + lanes], tokens_t)
                # Kept in float32 until the product is formed: one rounding instead of two.
                opened = nl.ndarray((lanes, count), dtype=nl.float32, buffer=nl.sbuf)
                nisa.activation(dst=opened, op=nl.silu, data=gate)
                nisa.tensor_tensor(
                    dst=gated[:, (feature + part) // lanes, :],
                    data1=opened,
                    data2=up,
                    op=nl.multiply,
                )

        for column in nl.affine_range(0, hidden, bank):
            width = min(bank, hidden - column)
            down_weights = nl.ndarray((lanes, features // lanes, width), dtype=w_down.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=down_weights, src=split_rows(w_down[:, column : column + width]))
            for row in nl.affine_range(0, count, lanes):
                some = min(lanes, count - row)
                sums = nl.ndarray((some, width), dtype=nl.float32, buffer=nl.psum)
                for part in nl.affine_range(features // lanes):
                    nisa.nc_matmul(
                        dst=sums,
                        stationary=gated[:, part, row : row + some],
                        moving=down_weights[:, part, :],
                    )
                finished = nl.ndarray((some, width), dtype=x.dtype, buffer=nl.sbuf)
                nisa.tensor_copy(dst=finished, src=sums, engine=nisa.engine.vector)
                nisa.dma_copy(
                    dst=result[token + row : token + row + some, column : column + width],
                    src=finished,
                )
    return result


def reference(x, w_gate, w_up, w_down):
    gate = x @ w_gate
    return gate / (1.0 + np.exp(-gate)) * (x @ w_up) @ w_down


def _inputs(rng):
    tokens, hidden, features = 512, 512, 1024

    def draw(rows, columns, scale):
        return (rng.standard_normal((rows, columns)) * scale).astype(ml_dtypes.bfloat16)

    return (
        draw(tokens, hidden, 1.0),
        draw(hidden, features, hidden**-0.5),
        draw(hidden, features, hidden**-0.5),
        draw(features, hidden, features**-0.5),
    )


EXAMPLES = {
    "swiglu": Example(
        inputs=_inputs,
        reference=reference,
        # The gated features are rounded to bfloat16 before the third product.
        tolerance=tolerance_for("bfloat16", reduction_length=1024, intermediate="bfloat16"),
    ),
}
