import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


def store(dst, tile, /):
    nisa.dma_copy(dst=dst, src=tile)


@kernel
def copy(a):
    tile = nl.load(a)
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    store(out, tile)
    return out
