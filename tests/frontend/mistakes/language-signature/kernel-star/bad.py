import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel


@kernel
def scale(a, *, factor=2.0):
    tile = nl.load(a)
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=factor)
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out
