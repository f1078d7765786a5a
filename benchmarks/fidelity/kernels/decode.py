"""A gated MLP for one token, which the weights' bandwidth bounds: down(silu(x @ gate) * (x @ up)).

The shapes are those of nki-library's mlp_tkg at hidden 16384. A partition takes consecutive rows of gate and up, so
that what it loads is one long piece.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

LANES = 128
BANK = 512


def stream(source, weights, parts):
    """The product of `source` [128, n, 1] with `weights` [128 * n, I], loaded in `parts` pieces; a PSUM bank [1, I]."""
    rows, width = weights.shape
    each = rows // LANES // parts
    folded = weights.reshape((LANES, rows // LANES, width))
    bank = nl.ndarray((1, width), dtype=nl.float32, buffer=nl.psum)
    for part in nl.affine_range(parts):
        tile = nl.ndarray((LANES, each, width), dtype=weights.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=folded[:, part * each : (part + 1) * each, :])
        for index in nl.affine_range(each):
            nisa.nc_matmul(dst=bank, stationary=source[:, part * each + index, :], moving=tile[:, index, :])
    return bank


@kernel
def decode_mlp(x, gate, up, down):
    """x [1, H], gate and up [H, I], down [I, H], all bfloat16; H and I multiples of 128 and 32."""
    H, inner = gate.shape
    out = nl.ndarray((1, H), dtype=x.dtype, buffer=nl.shared_hbm)
    source = nl.ndarray((LANES, H // LANES, 1), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=source, src=x.reshape((LANES, H // LANES, 1)))
    opened = nl.ndarray((1, inner), dtype=nl.float32, buffer=nl.sbuf)
    hidden = nl.ndarray((1, inner), dtype=x.dtype, buffer=nl.sbuf)
    split = inner > BANK
    for start in nl.affine_range(0, inner, inner // 2 if split else inner):
        width = inner // 2 if split else inner
        here = slice(start, start + width)
        nisa.activation(dst=opened[:, here], op=nl.silu, data=stream(source, gate[:, here], 8))
        nisa.tensor_tensor(
            dst=hidden[:, here], data1=opened[:, here], data2=stream(source, up[:, here], 8), op=nl.multiply
        )
    columns = []
    for start in nl.affine_range(0, inner, LANES):
        some = min(LANES, inner - start)
        turned = nl.ndarray((some, 1), dtype=x.dtype, buffer=nl.sbuf)
        bank = nl.ndarray((some, 1), dtype=x.dtype, buffer=nl.psum)
        nisa.nc_transpose(dst=bank, data=hidden[:, start : start + some], engine=nisa.engine.tensor)
        nisa.tensor_copy(dst=turned, src=bank)
        columns.append((turned, start, some))
    piece = 2048
    for n in nl.affine_range(0, H, piece):
        tiles = []
        for _, start, some in columns:
            tile = nl.ndarray((some, piece), dtype=down.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=tile, src=down[start : start + some, n : n + piece])
            tiles.append(tile)
        row = nl.ndarray((1, piece), dtype=x.dtype, buffer=nl.sbuf)
        for column in nl.affine_range(0, piece, BANK):
            bank = nl.ndarray((1, BANK), dtype=nl.float32, buffer=nl.psum)
            for index in nl.affine_range(len(tiles)):
                nisa.nc_matmul(dst=bank, stationary=columns[index][0], moving=tiles[index][:, column : column + BANK])
            nisa.tensor_copy(dst=row[:, column : column + BANK], src=bank)
        nisa.dma_copy(dst=out[:, n : n + piece], src=row)
    return out
