"""A kernel as others write them: `import nki`, no example inputs."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit(mode="torchxla", platform_target="trn2")
def add_one(x):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.add, operand0=1.0)
    nisa.dma_copy(dst=result, src=tile)
    return result
