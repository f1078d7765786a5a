"""Kernels of published shapes that multiply no matrices: silu, vector addition in chunks, Mamba in two orders."""

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel

LANES = 128
BANK = 512


def load_tile(source):
    """A new SBUF tile with the contents of `source`."""
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


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


def replicated(ones, row):
    """A row [1, times] of HBM in all partitions: a product with a column of ones, left in PSUM."""
    bank = nl.ndarray((LANES, row.shape[1]), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=bank, stationary=ones, moving=load_tile(row))
    return bank


def multiplied(one, other):
    """A new tile with the product of two."""
    result = nl.ndarray(one.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=result, data1=one, data2=other, op=nl.multiply)
    return result


def scan_steps(inputs, b_rows, c_rows, ones, totals):
    """One state each of several tiles: four streams of Vector apiece, in turn so that none waits for its own drain.

    inputs    (delta, delta * u, rate) tiles; each adds to its total
    """
    work = []
    for index in nl.affine_range(len(inputs)):
        steps, pushes, rate = inputs[index]
        decay = nl.ndarray(steps.shape, dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=decay, op=nl.exp, data=steps, scale=rate)
        work.append((decay, multiplied(pushes, replicated(ones, b_rows[index]))))
    states = []
    for decay, drive in work:
        state = nl.ndarray(decay.shape, dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_tensor_scan(dst=state, data0=decay, data1=drive, initial=0.0, op0=nl.multiply, op1=nl.add)
        states.append(state)
    weighed = []
    for index in nl.affine_range(len(states)):
        weighed.append(multiplied(states[index], replicated(ones, c_rows[index])))
    for index in nl.affine_range(len(states)):
        nisa.tensor_tensor(dst=totals[index], data1=totals[index], data2=weighed[index], op=nl.add)


def make_ones():
    ones = nl.ndarray((1, LANES), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=ones, value=1.0)
    return ones


@kernel(target="trn1")
def scan_state_by_state(delta, u, a, b, c):
    """States outside, channels inside: delta and u are loaded again for every state."""
    channels, times = delta.shape
    states = a.shape[1]
    y = nl.ndarray((channels, times), dtype=u.dtype, buffer=nl.shared_hbm)
    ones = make_ones()
    totals = []
    for _ in nl.affine_range(0, channels, LANES):
        total = nl.ndarray((LANES, times), dtype=nl.float32, buffer=nl.sbuf)
        nisa.memset(dst=total, value=0.0)
        totals.append(total)
    for n in nl.affine_range(states):
        b_row, c_row = b[n : n + 1], c[n : n + 1]
        for first in nl.affine_range(0, channels // LANES, 2):
            inputs = []
            for index in nl.affine_range(first, first + 2):
                rows = slice(index * LANES, (index + 1) * LANES)
                steps, values = load_tile(delta[rows]), load_tile(u[rows])
                inputs.append((steps, multiplied(steps, values), load_tile(a[rows, n : n + 1])))
            scan_steps(inputs, [b_row, b_row], [c_row, c_row], ones, totals[first : first + 2])
    for index in nl.affine_range(channels // LANES):
        nisa.dma_copy(dst=y[index * LANES : (index + 1) * LANES], src=totals[index])
    return y


@kernel(target="trn1")
def scan_tile_by_tile(delta, u, a, b, c):
    """Channels outside, states inside: delta and u are loaded once, and their product does not change with the state.

    The published source multiplies them for every state; the published time has no room for that.
    """
    channels, times = delta.shape
    states = a.shape[1]
    y = nl.ndarray((channels, times), dtype=u.dtype, buffer=nl.shared_hbm)
    ones = make_ones()
    for index in nl.affine_range(channels // LANES):
        rows = slice(index * LANES, (index + 1) * LANES)
        steps = load_tile(delta[rows])
        pushes = multiplied(steps, load_tile(u[rows]))
        total = nl.ndarray((LANES, times), dtype=nl.float32, buffer=nl.sbuf)
        nisa.memset(dst=total, value=0.0)
        for first in nl.affine_range(0, states, 2):
            inputs = []
            b_rows = []
            c_rows = []
            for n in nl.affine_range(first, first + 2):
                inputs.append((steps, pushes, load_tile(a[rows, n : n + 1])))
                b_rows.append(b[n : n + 1])
                c_rows.append(c[n : n + 1])
            scan_steps(inputs, b_rows, c_rows, ones, [total, total])
        nisa.dma_copy(dst=y[rows], src=total)
    return y
