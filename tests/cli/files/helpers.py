"""Defines no kernel, only what the kernels of uses_helpers.py call."""

import nki_sim.isa as nisa
import nki_sim.language as nl


def load(source):
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile
