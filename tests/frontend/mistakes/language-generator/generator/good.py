import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


def rows(count):
    return [0, 128][:count]


@kernel
def clear(a):
    for start in rows(2):
        tile = nl.ndarray((128, 64), dtype=a.dtype, buffer=nl.sbuf)
        nisa.memset(dst=tile, value=0.0)
        nisa.dma_copy(dst=a[start : start + 128, 0:64], src=tile)
