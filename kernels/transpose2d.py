"""Two transposes: across partitions on the Tensor Engine, and inside each partition with a strided view.

Teaches: engines compute along the free axis and cannot exchange data between partitions, except the Tensor Engine,
which transposes up to 128 x 128 elements at a time into PSUM (`nisa.nc_transpose`); four such blocks fill one 2 KiB
PSUM bank, so one copy and one store serve four transposes, and the stored rows are four times as long. Two *free*
axes need no Tensor Engine: `.permute` only changes the order in which one instruction walks the bytes.
"""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


@kernel
def transpose2d(x):
    """x transposed: [rows, columns] -> [columns, rows], any sizes."""
    rows, columns = x.shape
    flipped = nl.ndarray((columns, rows), dtype=x.dtype, buffer=nl.shared_hbm)
    side = nl.tile_size.pmax
    strip, panel = 4 * side, 2048
    for row in nl.affine_range(0, rows, strip):
        height = min(strip, rows - row)
        for left in nl.affine_range(0, columns, panel):
            right = min(left + panel, columns)
            blocks = []
            for part in nl.affine_range(0, height, side):
                some = min(side, height - part)
                block = nl.ndarray((some, right - left), dtype=x.dtype, buffer=nl.sbuf)
                nisa.dma_copy(dst=block, src=x[row + part : row + part + some, left:right])
                blocks.append(block)
            for column in nl.affine_range(left, right, side):
                width = min(side, right - column)
                bank = nl.ndarray((width, height), dtype=x.dtype, buffer=nl.psum)
                for index in nl.affine_range(len(blocks)):
                    some = blocks[index].shape[0]
                    nisa.nc_transpose(
                        dst=bank[:, index * side : index * side + some],
                        data=blocks[index][:, column - left : column - left + width],
                        engine=nisa.engine.tensor,
                    )
                # DMA does not read PSUM: the finished bank goes through SBUF.
                staged = nl.ndarray((width, height), dtype=x.dtype, buffer=nl.sbuf)
                nisa.tensor_copy(dst=staged, src=bank, engine=nisa.engine.vector)
                nisa.dma_copy(dst=flipped[column : column + width, row : row + height], src=staged)
    return flipped


@kernel
def swap_free_axes(x):
    """x with its last two axes exchanged: [rows, first, second] -> [rows, second, first], rows tiled by 128."""
    rows, first, second = x.shape
    swapped = nl.ndarray((rows, second, first), dtype=x.dtype, buffer=nl.shared_hbm)
    for row in nl.affine_range(0, rows, nl.tile_size.pmax):
        some = min(nl.tile_size.pmax, rows - row)
        loaded = nl.ndarray((some, first, second), dtype=x.dtype, buffer=nl.sbuf)
        turned = nl.ndarray((some, second, first), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=loaded, src=x[row : row + some])
        # Both DMAs move whole rows; the engine takes the strided walk, which costs it at most a factor of two.
        nisa.tensor_copy(dst=turned, src=loaded.permute((0, 2, 1)), engine=nisa.engine.vector)
        nisa.dma_copy(dst=swapped[row : row + some], src=turned)
    return swapped


def reference_transpose2d(x):
    return x.T


def reference_swap_free_axes(x):
    return x.swapaxes(1, 2)


EXAMPLES = {
    "transpose2d": Example(
        inputs=lambda rng: (rng.standard_normal((512, 384), dtype=np.float32),),
        reference=reference_transpose2d,
    ),
    "swap_free_axes": Example(
        inputs=lambda rng: (rng.standard_normal((128, 64, 48), dtype=np.float32),),
        reference=reference_swap_free_axes,
    ),
}
