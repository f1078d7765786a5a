"""Kernels of published shapes on trn1 of one or two operators: silu in two forms, vector addition in chunks."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.fidelity.kernels.trn1_tiles import BANK, LANES, activated, load_tile
from nki_sim import kernel


@kernel(target="trn1")
def silu(x):
    """x / (1 + exp(-x)) for [M, N]: loads of 1024 columns, work on 512; Scalar takes exp and the reciprocal."""
    M, N = x.shape
    width = 1024
    out = nl.ndarray((M, N), dtype=x.dtype, buffer=nl.shared_hbm)
    zero = nl.ndarray((LANES, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=zero, value=0.0)
    for m in nl.affine_range(0, M, LANES):
        for n in nl.affine_range(0, N, width):
            rows = load_tile(x[m : m + LANES, n : n + width])
            result = nl.ndarray((LANES, width), dtype=x.dtype, buffer=nl.sbuf)
            for part in nl.affine_range(0, width, BANK):
                here = rows[:, part : part + BANK]
                power = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.sbuf)
                nisa.activation(dst=power, op=nl.exp, data=here, bias=zero, scale=-1.0)
                more = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.sbuf)
                nisa.tensor_scalar(dst=more, data=power, op0=nl.add, operand0=1.0)
                share = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.sbuf)
                nisa.activation(dst=share, op=nl.reciprocal, data=more)
                nisa.tensor_tensor(dst=result[:, part : part + BANK], data1=here, data2=share, op=nl.multiply)
            nisa.dma_copy(dst=out[m : m + LANES, n : n + width], src=result)
    return out


@kernel(target="trn1")
def add_in_chunks(a, b, lanes, width):
    """a + b of [length], `lanes` x `width` elements at a time, one after another in memory."""
    length = a.shape[0]
    out = nl.ndarray((length,), dtype=a.dtype, buffer=nl.shared_hbm)
    chunk = lanes * width
    for start in nl.affine_range(0, length, chunk):
        here = slice(start, start + chunk)
        one = load_tile(a[here].reshape((lanes, width)))
        other = load_tile(b[here].reshape((lanes, width)))
        total = nl.ndarray((lanes, width), dtype=a.dtype, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=total, data1=one, data2=other, op=nl.add)
        nisa.dma_copy(dst=out[here].reshape((lanes, width)), src=total)
    return out


@kernel(target="trn1")
def silu_in_two(x):
    """silu of [M, N] as x * sigmoid(x): one activation and one product per 512 columns, transfers of 1024."""
    M, N = x.shape
    width = 1024
    out = nl.ndarray((M, N), dtype=x.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(0, M, LANES):
        for n in nl.affine_range(0, N, width):
            rows = load_tile(x[m : m + LANES, n : n + width])
            result = nl.ndarray((LANES, width), dtype=x.dtype, buffer=nl.sbuf)
            for part in nl.affine_range(0, width, BANK):
                here = slice(part, part + BANK)
                share = activated(rows[:, here], nl.sigmoid)
                nisa.tensor_tensor(dst=result[:, here], data1=rows[:, here], data2=share, op=nl.multiply)
            nisa.dma_copy(dst=out[m : m + LANES, n : n + width], src=result)
    return out
