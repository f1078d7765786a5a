import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


calls = 0


@kernel
def copy(a):
    global calls
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=a)
    return out
