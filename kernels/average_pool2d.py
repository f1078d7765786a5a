"""Average pooling of images: a five-dimensional access pattern does the gathering.

Teaches: channels go to partitions, an image row after row along the free axis. `.ap` describes by [step, count] pairs
how an instruction walks the bytes: with steps (stride rows, stride columns, 1 row, 1 column) one `tensor_reduce`
visits every window, overlapping ones too, and nothing is copied first (nki-aps.rst). Images too large for SBUF are
cut into bands of output rows; a band's input is loaded with the few rows it shares with the next.
"""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example

# Input bytes per partition and band: small enough for several bands in flight, long enough for the DMA.
BAND_BYTES = 4096


@kernel
def average_pool2d(x, pool=2, stride=None):
    """Mean of each pool x pool window, one window every `stride` (default: `pool`): [C, H, W] -> [C, OH, OW].

    No padding: OH = (H - pool) // stride + 1, and OW likewise.
    """
    channels, height, width = x.shape
    step = stride or pool
    assert 1 <= pool <= min(height, width) and step >= 1, "the window must fit the image"
    out_height = (height - pool) // step + 1
    out_width = (width - pool) // step + 1
    pooled = nl.ndarray((channels, out_height, out_width), dtype=x.dtype, buffer=nl.shared_hbm)
    band = max(1, BAND_BYTES // (4 * width * step))
    for channel in nl.affine_range(0, channels, nl.tile_size.pmax):
        some = min(nl.tile_size.pmax, channels - channel)
        for out_row in nl.affine_range(0, out_height, band):
            out_rows = min(band, out_height - out_row)
            in_row, in_rows = out_row * step, (out_rows - 1) * step + pool
            image = nl.ndarray((some, in_rows, width), dtype=x.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=image, src=x[channel : channel + some, in_row : in_row + in_rows, :])
            windows = image.ap(
                pattern=[
                    [in_rows * width, some],
                    [step * width, out_rows],
                    [step, out_width],
                    [width, pool],
                    [1, pool],
                ]
            )
            sums = nl.ndarray((some, out_rows, out_width), dtype=nl.float32, buffer=nl.sbuf)
            nisa.tensor_reduce(dst=sums, op=nl.add, data=windows, axis=(3, 4))
            # The Scalar Engine scales while Vector reduces the next band.
            means = nl.ndarray((some, out_rows, out_width), dtype=x.dtype, buffer=nl.sbuf)
            nisa.activation(dst=means, op=nl.copy, data=sums, scale=1.0 / (pool * pool))
            nisa.dma_copy(dst=pooled[channel : channel + some, out_row : out_row + out_rows, :], src=means)
    return pooled


def reference(x, pool=2, stride=None):
    step = stride or pool
    windows = np.lib.stride_tricks.sliding_window_view(x, (pool, pool), axis=(1, 2))
    return windows[:, ::step, ::step].mean(axis=(3, 4))


EXAMPLES = {
    "average_pool2d": Example(
        inputs=lambda rng: (rng.standard_normal((128, 56, 56), dtype=np.float32), 2),
        reference=reference,
    ),
}
