"""Mamba's selective scan on trn1 in the orders and tilings of which times are published; the code is ours.

Along the free dimension runs time. Vector forms delta * u * B, scans, weighs with C and adds to the total; Scalar
takes exp(delta * A); the Tensor Engine copies a row of B or C to all partitions. Work comes in pairs of states or
tiles, taken in turn so that Vector does not wait for its own drain.
"""

import nki_sim.isa as nisa
import nki_sim.language as nl
from benchmarks.fidelity.kernels.trn1_tiles import BANK, LANES, combined, filled, load_tile
from nki_sim import kernel


def replicated(ones, row, copied=False):
    """A row [1, times] of HBM in all partitions: a product with a column of ones.

    It stays in PSUM where one bank holds it, unless `copied` to SBUF, where Vector reads it at half the rate.
    """
    source = load_tile(row)
    width = row.shape[1]
    if width <= BANK and not copied:
        bank = nl.ndarray((LANES, width), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(dst=bank, stationary=ones, moving=source)
        return bank
    tile = nl.ndarray((LANES, width), dtype=nl.float32, buffer=nl.sbuf)
    for start in nl.affine_range(0, width, BANK):
        bank = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(dst=bank, stationary=ones, moving=source[:, start : start + BANK])
        nisa.activation(dst=tile[:, start : start + BANK], op=nl.copy, data=bank)
    return tile


def scan_steps(inputs, b_tiles, c_tiles, totals, carries=None):
    """One state each of several tiles, in turn.

    inputs    (delta, delta * u, rate) tiles; each adds to its total
    carries   [128, 1] each: the state before the tile, replaced by the state after it; None for a scan from zero
    """
    work = []
    for index in nl.affine_range(len(inputs)):
        steps, pushes, rate = inputs[index]
        decay = nl.ndarray(steps.shape, dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=decay, op=nl.exp, data=steps, scale=rate)
        work.append((decay, combined(pushes, b_tiles[index], nl.multiply)))
    states = []
    for index in nl.affine_range(len(work)):
        decay, drive = work[index]
        state = nl.ndarray(decay.shape, dtype=nl.float32, buffer=nl.sbuf)
        initial = 0.0 if carries is None else carries[index]
        nisa.tensor_tensor_scan(dst=state, data0=decay, data1=drive, initial=initial, op0=nl.multiply, op1=nl.add)
        states.append(state)
    weighed = []
    for index in nl.affine_range(len(states)):
        width = states[index].shape[1]
        if carries is not None:
            last = states[index][:, width - 1 : width]
            nisa.tensor_copy(dst=carries[index], src=last, engine=nisa.engine.vector)
        weighed.append(combined(states[index], c_tiles[index], nl.multiply))
    for index in nl.affine_range(len(states)):
        nisa.tensor_tensor(dst=totals[index], data1=totals[index], data2=weighed[index], op=nl.add)


def replicated_rows(ones, rows, first, last, times, copied=False):
    """Rows first to last - 1 of [states, times], each in all partitions."""
    tiles = []
    for n in nl.affine_range(first, last):
        tiles.append(replicated(ones, rows[n : n + 1, times], copied))
    return tiles


@kernel(target="trn1")
def scan_state_by_state(delta, u, a, b, c):
    """States outside, channels inside: delta and u are loaded again for every state."""
    channels, times = delta.shape
    states = a.shape[1]
    y = nl.ndarray((channels, times), dtype=u.dtype, buffer=nl.shared_hbm)
    ones = filled(LANES, 1.0, lanes=1)
    totals = []
    for _ in nl.affine_range(0, channels, LANES):
        totals.append(filled(times))
    for n in nl.affine_range(states):
        for first in nl.affine_range(0, channels // LANES, 2):
            inputs = []
            for index in nl.affine_range(first, first + 2):
                rows = slice(index * LANES, (index + 1) * LANES)
                steps, values = load_tile(delta[rows]), load_tile(u[rows])
                inputs.append((steps, combined(steps, values, nl.multiply), load_tile(a[rows, n : n + 1])))
            b_tiles = [replicated(ones, b[n : n + 1]), replicated(ones, b[n : n + 1])]
            c_tiles = [replicated(ones, c[n : n + 1]), replicated(ones, c[n : n + 1])]
            scan_steps(inputs, b_tiles, c_tiles, totals[first : first + 2])
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
    ones = filled(LANES, 1.0, lanes=1)
    for index in nl.affine_range(channels // LANES):
        rows = slice(index * LANES, (index + 1) * LANES)
        steps = load_tile(delta[rows])
        pushes = combined(steps, load_tile(u[rows]), nl.multiply)
        total = filled(times)
        for first in nl.affine_range(0, states, 2):
            inputs = []
            for n in nl.affine_range(first, first + 2):
                inputs.append((steps, pushes, load_tile(a[rows, n : n + 1])))
            b_tiles = replicated_rows(ones, b, first, first + 2, slice(0, times))
            c_tiles = replicated_rows(ones, c, first, first + 2, slice(0, times))
            scan_steps(inputs, b_tiles, c_tiles, [total, total])
        nisa.dma_copy(dst=y[rows], src=total)
    return y


@kernel(target="trn1")
def scan_chunks_inside(delta, u, a, b, c):
    """As `scan_tile_by_tile`, with time in chunks of one bank inside the states, carried from chunk to chunk."""
    channels, times = delta.shape
    states = a.shape[1]
    y = nl.ndarray((channels, times), dtype=u.dtype, buffer=nl.shared_hbm)
    ones = filled(LANES, 1.0, lanes=1)
    for index in nl.affine_range(channels // LANES):
        rows = slice(index * LANES, (index + 1) * LANES)
        steps = load_tile(delta[rows])
        pushes = combined(steps, load_tile(u[rows]), nl.multiply)
        total = filled(times)
        for first in nl.affine_range(0, states, 2):
            rates = [load_tile(a[rows, first : first + 1]), load_tile(a[rows, first + 1 : first + 2])]
            carries = [filled(1), filled(1)]
            for start in nl.affine_range(0, times, BANK):
                chunk = slice(start, start + BANK)
                here = total[:, chunk]
                inputs = []
                for rate in rates:
                    inputs.append((steps[:, chunk], pushes[:, chunk], rate))
                b_tiles = replicated_rows(ones, b, first, first + 2, chunk)
                c_tiles = replicated_rows(ones, c, first, first + 2, chunk)
                scan_steps(inputs, b_tiles, c_tiles, [here, here], carries)
        nisa.dma_copy(dst=y[rows], src=total)
    return y


@kernel(target="trn1")
def scan_chunks_outside(delta, u, a, b, c, copied=False):
    """Chunks of one bank outside the states: delta and u come chunk by chunk, the total of a chunk lies in PSUM.

    copied    whether rows of B and C are first copied to SBUF in all partitions
    """
    channels, times = delta.shape
    states = a.shape[1]
    y = nl.ndarray((channels, times), dtype=u.dtype, buffer=nl.shared_hbm)
    ones = filled(LANES, 1.0, lanes=1)
    for index in nl.affine_range(channels // LANES):
        rows = slice(index * LANES, (index + 1) * LANES)
        rates = load_tile(a[rows])
        carries = filled(states)
        for start in nl.affine_range(0, times, BANK):
            chunk = slice(start, start + BANK)
            steps = load_tile(delta[rows, chunk])
            pushes = combined(steps, load_tile(u[rows, chunk]), nl.multiply)
            total = filled(BANK, buffer=nl.psum)
            for first in nl.affine_range(0, states, 2):
                inputs = []
                mine = []
                for n in nl.affine_range(first, first + 2):
                    inputs.append((steps, pushes, rates[:, n : n + 1]))
                    mine.append(carries[:, n : n + 1])
                b_tiles = replicated_rows(ones, b, first, first + 2, chunk, copied)
                c_tiles = replicated_rows(ones, c, first, first + 2, chunk, copied)
                scan_steps(inputs, b_tiles, c_tiles, [total, total], mine)
            done = nl.ndarray((LANES, BANK), dtype=nl.float32, buffer=nl.sbuf)
            nisa.tensor_copy(dst=done, src=total, engine=nisa.engine.vector)
            nisa.dma_copy(dst=y[rows, chunk], src=done)
    return y


@kernel(target="trn1")
def scan_chunks_first(delta, u, a, b, c):
    """Chunks of one bank outermost, then channels, then states, which are carried in one tile per 128 channels.

    delta * u is formed, and u loaded, for every state again: the published active time of Vector and bytes read say so.
    """
    channels, times = delta.shape
    states = a.shape[1]
    y = nl.ndarray((channels, times), dtype=u.dtype, buffer=nl.shared_hbm)
    ones = filled(LANES, 1.0, lanes=1)
    kept = []
    for _ in nl.affine_range(0, channels, LANES):
        kept.append(filled(states))
    for start in nl.affine_range(0, times, BANK):
        chunk = slice(start, start + BANK)
        for index in nl.affine_range(len(kept)):
            rows = slice(index * LANES, (index + 1) * LANES)
            steps = load_tile(delta[rows, chunk])
            total = filled(BANK)
            for first in nl.affine_range(0, states, 2):
                inputs = []
                carries = []
                for n in nl.affine_range(first, first + 2):
                    pushes = combined(steps, load_tile(u[rows, chunk]), nl.multiply)
                    inputs.append((steps, pushes, load_tile(a[rows, n : n + 1])))
                    carries.append(kept[index][:, n : n + 1])
                b_tiles = replicated_rows(ones, b, first, first + 2, chunk)
                c_tiles = replicated_rows(ones, c, first, first + 2, chunk)
                scan_steps(inputs, b_tiles, c_tiles, [total, total], carries)
            nisa.dma_copy(dst=y[rows, chunk], src=total)
    return y
