"""Selective scan, the heart of a Mamba layer: a linear recurrence along time with inputs that steer it.

For every channel c and state n

    h[t] = exp(delta[t] * A[c, n]) * h[t - 1] + delta[t] * u[t] * B[n, t]        y[t] = sum over n of C[n, t] * h[t]

Teaches: `tensor_tensor_scan` runs the recurrence h = a * h + b along the free axis in one Vector instruction, all 128
channels at once, and takes h at the end of the last chunk of time as `initial`; the discretisation exp(delta * A) is
one Scalar instruction, its per-channel A riding along as `scale`. The scans fill the Vector Engine, so everything else
goes elsewhere: both products to GpSimd, and the sum over n to the Tensor Engine, where multiplying by an identity
matrix adds a tile into PSUM. B and C, the same for all channels, are replicated over partitions by DMA.
"""

import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


def make_identity(size):
    """A [size, size] float32 identity matrix in SBUF."""
    identity = nl.ndarray((size, size), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=identity, value=1.0)
    # Keep the ones where partition - column == 0.
    nisa.affine_select(
        dst=identity,
        pattern=[[-1, size]],
        channel_multiplier=1,
        on_true_tile=identity,
        on_false_value=0.0,
        cmp_op=nl.equal,
    )
    return identity


def replicate(matrix, lanes):
    """One [lanes, times] SBUF tile per row of `matrix` [states, times], a tensor in HBM: the row in every partition."""
    states, times = matrix.shape
    tiles = []
    for n in range(states):
        tile = nl.ndarray((lanes, times), dtype=matrix.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=matrix[n : n + 1].broadcast(0, lanes))
        tiles.append(tile)
    return tiles


def load(source):
    """A new SBUF tile with the contents of `source`, a tensor in HBM."""
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


def discretise(steps, rate, pushes, b_row):
    """exp(steps * rate) and pushes * b_row: what multiplies the state at each time, and what is added to it."""
    decay = nl.ndarray(steps.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=decay, op=nl.exp, data=steps, scale=rate)
    drive = nl.ndarray(steps.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=drive, data1=pushes, data2=b_row, op=nl.multiply, engine=nisa.engine.gpsimd)
    return decay, drive


@kernel
def selective_scan(delta, u, a, b, c):
    """delta, u [channels, times], a [channels, states], b, c [states, times], all float32 -> y [channels, times]."""
    channels, times = delta.shape
    states = a.shape[1]
    pmax = nl.tile_size.pmax
    chunk = nl.tile_size.psum_bank_fmax
    y = nl.ndarray((channels, times), dtype=u.dtype, buffer=nl.shared_hbm)

    lanes = min(pmax, channels)
    identity = make_identity(lanes)
    rates = []
    carried = []
    for channel in nl.affine_range(0, channels, pmax):
        some = min(pmax, channels - channel)
        rate = nl.ndarray((some, states), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=rate, src=a[channel : channel + some])
        rates.append(rate)
        carried.append(nl.ndarray((some, states), dtype=nl.float32, buffer=nl.sbuf))

    for time in nl.sequential_range(0, times, chunk):
        length = min(chunk, times - time)
        # The first channels' inputs before the many rows of B and C: a queue of transfers is served in order.
        inputs = load(delta[0:lanes, time : time + length]), load(u[0:lanes, time : time + length])
        b_rows = replicate(b[:, time : time + length], lanes)
        c_rows = replicate(c[:, time : time + length], lanes)
        for index in nl.affine_range(len(rates)):
            rate, carry = rates[index], carried[index]
            some = rate.shape[0]
            here = (slice(index * pmax, index * pmax + some), slice(time, time + length))
            steps, values = inputs if index == 0 else (load(delta[here]), load(u[here]))
            pushes = nl.ndarray((some, length), dtype=nl.float32, buffer=nl.sbuf)
            nisa.tensor_tensor(dst=pushes, data1=steps, data2=values, op=nl.multiply)

            sums = nl.ndarray((some, length), dtype=nl.float32, buffer=nl.psum)
            ahead = discretise(steps, rate[:, 0:1], pushes, b_rows[0][0:some])
            for n in range(states):
                decay, drive = ahead
                if n + 1 < states:
                    # Before this state's scan: GpSimd would wait for it, and then Vector for GpSimd.
                    ahead = discretise(steps, rate[:, n + 1 : n + 2], pushes, b_rows[n + 1][0:some])
                state = nl.ndarray((some, length), dtype=nl.float32, buffer=nl.sbuf)
                nisa.tensor_tensor_scan(
                    dst=state,
                    data0=decay,
                    data1=drive,
                    initial=0.0 if time == 0 else carry[:, n : n + 1],
                    op0=nl.multiply,
                    op1=nl.add,
                )
                if time + length < times:
                    nisa.tensor_copy(
                        dst=carry[:, n : n + 1],
                        src=state[:, length - 1 : length],
                        engine=nisa.engine.gpsimd,
                    )
                weighed = nl.ndarray((some, length), dtype=nl.float32, buffer=nl.sbuf)
                nisa.tensor_tensor(
                    dst=weighed,
                    data1=state,
                    data2=c_rows[n][0:some],
                    op=nl.multiply,
                    engine=nisa.engine.gpsimd,
                )
                nisa.nc_matmul(
                    dst=sums,
                    stationary=identity[0:some, 0:some],
                    moving=weighed,
                    is_stationary_onezero=True,
                )
            finished = nl.ndarray((some, length), dtype=u.dtype, buffer=nl.sbuf)
            nisa.activation(dst=finished, op=nl.copy, data=sums)
            nisa.dma_copy(dst=y[here], src=finished)
    return y


def reference(delta, u, a, b, c):
    state = np.zeros(a.shape)
    y = np.empty(delta.shape)
    for t in range(delta.shape[1]):
        step = delta[:, t : t + 1]
        state = np.exp(step * a) * state + step * u[:, t : t + 1] * b[:, t]
        y[:, t] = state @ c[:, t]
    return y


def _inputs(rng):
    channels, times, states = 256, 1024, 16
    return (
        rng.uniform(0.001, 0.1, (channels, times)).astype(np.float32),
        rng.standard_normal((channels, times), dtype=np.float32),
        -rng.uniform(0.5, 16.0, (channels, states)).astype(np.float32),
        rng.standard_normal((states, times), dtype=np.float32),
        rng.standard_normal((states, times), dtype=np.float32),
    )


EXAMPLES = {"selective_scan": Example(inputs=_inputs, reference=reference)}
