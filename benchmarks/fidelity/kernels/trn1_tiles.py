"""Tiles that the trn1 kernels share: loads, and new tiles with the result of one instruction."""

import nki_sim.isa as nisa
import nki_sim.language as nl

LANES = 128
BANK = 512


def load_tile(source):
    """A new SBUF tile with the contents of `source`."""
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


def filled(width, value=0.0, buffer=nl.sbuf, lanes=LANES):
    """A new float32 tile of one value."""
    tile = nl.ndarray((lanes, width), dtype=nl.float32, buffer=buffer)
    nisa.memset(dst=tile, value=value)
    return tile


def combined(one, other, op):
    """A new SBUF tile: one op other, element by element, on Vector."""
    result = nl.ndarray(one.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=result, data1=one, data2=other, op=op)
    return result


def activated(tile, op, **how):
    """A new SBUF tile: an activation function of `tile`, on Scalar."""
    result = nl.ndarray(tile.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=result, op=op, data=tile, **how)
    return result
