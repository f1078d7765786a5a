"""What the documents describe and nki_sim does not have yet says so."""

import nki_sim.language as nl
from nki_sim import kernel


@kernel
def function():
    noise = nl.rand((64, 32), dtype=nl.float32)
    out = nl.ndarray(noise.shape, dtype=noise.dtype, buffer=nl.shared_hbm)
    nl.store(out, noise)
    return out


def example():
    return ()
