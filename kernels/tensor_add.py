"""Element-wise addition: the shape of every kernel, load -> compute -> store, tile by tile.

Teaches: a tile has at most 128 partitions (`nl.tile_size.pmax`), so rows are cut into tiles of 128; each pass allocates
its own tiles, so that the loads of the next pass run while this one computes; a DMA moves each partition's row as one
piece, and rows of 2 KiB or more keep the DMA engines near their full rate (nki-dma-overview.rst, throughput plot).
"""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


@kernel
def tensor_add(a, b):
    """a + b for two [rows, columns] tensors of one shape; any number of rows and columns."""
    assert a.shape == b.shape, "tensor_add adds tensors of one shape"
    rows, columns = a.shape
    total = nl.ndarray((rows, columns), dtype=a.dtype, buffer=nl.shared_hbm)
    # 2048 elements per partition: 4 or 8 KiB, long enough for the DMA, short enough to keep many tiles in flight.
    width = min(columns, 2048)
    for row in nl.affine_range(0, rows, nl.tile_size.pmax):
        for column in nl.affine_range(0, columns, width):
            # The last tile of either dimension may be smaller.
            here = (
                slice(row, min(row + nl.tile_size.pmax, rows)),
                slice(column, min(column + width, columns)),
            )
            a_tile = nl.ndarray(a[here].shape, dtype=a.dtype, buffer=nl.sbuf)
            b_tile = nl.ndarray(a[here].shape, dtype=b.dtype, buffer=nl.sbuf)
            sum_tile = nl.ndarray(a[here].shape, dtype=a.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=a_tile, src=a[here])
            nisa.dma_copy(dst=b_tile, src=b[here])
            nisa.tensor_tensor(dst=sum_tile, data1=a_tile, data2=b_tile, op=nl.add)
            nisa.dma_copy(dst=total[here], src=sum_tile)
    return total


def reference(a, b):
    return a + b


EXAMPLES = {
    "tensor_add": Example(
        inputs=lambda rng: tuple(rng.standard_normal((512, 2048), dtype=np.float32) for _ in range(2)),
        reference=reference,
    ),
}
