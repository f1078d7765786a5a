"""Adding two long vectors in chunks and transposing a matrix in tiles on trn2, as solutions of Stanford's CS149 do.

Their profiles show no generated descriptors: the runtime wrote them beforehand.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

LANES = 128


def moved(dst, src):
    nisa.dma_copy(dst=dst, src=src, dge_mode=nisa.dge_mode.none)


@kernel(target="trn2")
def add_in_static_chunks(a, b, lanes, width, alone):
    """a + b of [length], `lanes` x `width` elements at a time; `alone`: all chunks in one pair of tiles."""
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    pair = nl.ndarray((lanes, 2, width), dtype=a.dtype, buffer=nl.sbuf)
    chunk = lanes * width
    for start in nl.affine_range(0, a.shape[0], chunk):
        here = slice(start, start + chunk)
        if not alone:
            pair = nl.ndarray((lanes, 2, width), dtype=a.dtype, buffer=nl.sbuf)
        moved(pair[:, 0, :], a[here].reshape((lanes, width)))
        moved(pair[:, 1, :], b[here].reshape((lanes, width)))
        total = nl.ndarray((lanes, width), dtype=a.dtype, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=total, data1=pair[:, 0, :], data2=pair[:, 1, :], op=nl.add)
        moved(out[here].reshape((lanes, width)), total)
    return out


@kernel(target="trn2")
def transpose_in_tiles(matrix):
    """[M, N] transposed, 128 x 128 at a time, each tile loaded and stored by itself; Scalar copies, as it did there."""
    M, N = matrix.shape
    out = nl.ndarray((N, M), dtype=matrix.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(0, M, LANES):
        for n in nl.affine_range(0, N, LANES):
            tile = nl.ndarray((LANES, LANES), dtype=matrix.dtype, buffer=nl.sbuf)
            moved(tile, matrix[m : m + LANES, n : n + LANES])
            bank = nl.ndarray((LANES, LANES), dtype=matrix.dtype, buffer=nl.psum)
            nisa.nc_transpose(dst=bank, data=tile, engine=nisa.engine.tensor)
            turned = nl.ndarray((LANES, LANES), dtype=matrix.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=turned, src=bank, engine=nisa.engine.scalar)
            moved(out[n : n + LANES, m : m + LANES], turned)
    return out
