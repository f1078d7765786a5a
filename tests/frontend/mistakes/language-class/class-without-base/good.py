import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


class Sizes(nl.NKIObject):
    rows = 128


@kernel
def copy(a):
    assert a.shape[0] <= Sizes.rows
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=a)
    return out
