"""What-ifs on device loops: values stay, and kernels changed by hand take as long as the replays said."""

from __future__ import annotations

import numpy as np
import pytest

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.profiler.advice import replay
from nki_sim.profiler.body import Body
from nki_sim.profiler.whatif import Change, NotTried, Subject
from nki_sim.profiler.whatif_loops import invariant_loads, unrolled, unrolled_loops
from nki_sim.program.ir import Loop
from tests.profiler.programs import placed, values
from tests.support.ir import part
from tests.timing.building import Timed


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def sbuf(*shape):
    return nl.ndarray(shape, dtype=nl.float32, buffer=nl.sbuf)


def block(matrix, start, ahead=0, width=512):
    """Columns start + ahead ... of a [128, columns] tensor, `start` a register."""
    columns = matrix.shape[1]
    return matrix.ap([[columns, 128], [1, width]], offset=ahead, scalar_offset=start, indirect_dim=1)


@kernel
def scaled(x, w):
    """x * w[:, 0], w loaded in every pass."""
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    for n in nl.dynamic_range(0, x.shape[1], 512):
        scale = sbuf(128, 1)
        nisa.dma_copy(dst=scale, src=w)
        tile = sbuf(128, 512)
        nisa.dma_copy(dst=tile, src=block(x, n))
        product = sbuf(128, 512)
        nisa.tensor_scalar(dst=product, data=tile, op0=nl.multiply, operand0=scale)
        nisa.dma_copy(dst=block(result, n), src=product)
    return result


@kernel
def scaled_hoisted(x, w):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    scale = sbuf(128, 1)
    nisa.dma_copy(dst=scale, src=w)
    for n in nl.dynamic_range(0, x.shape[1], 512):
        tile = sbuf(128, 512)
        nisa.dma_copy(dst=tile, src=block(x, n))
        product = sbuf(128, 512)
        nisa.tensor_scalar(dst=product, data=tile, op0=nl.multiply, operand0=scale)
        nisa.dma_copy(dst=block(result, n), src=product)
    return result


@kernel
def scaled_in_steps(x, w, passes):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    for n in nl.dynamic_range(0, x.shape[1], 512 * passes):
        for ahead in range(passes):
            scale = sbuf(128, 1)
            nisa.dma_copy(dst=scale, src=w)
            tile = sbuf(128, 512)
            nisa.dma_copy(dst=tile, src=block(x, n, 512 * ahead))
            product = sbuf(128, 512)
            nisa.tensor_scalar(dst=product, data=tile, op0=nl.multiply, operand0=scale)
            nisa.dma_copy(dst=block(result, n, 512 * ahead), src=product)
    return result


@kernel
def scaled_merged(x, w, passes):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    for n in nl.dynamic_range(0, x.shape[1], 512 * passes):
        wide = sbuf(128, passes * 512)
        for ahead in range(passes):
            scale = sbuf(128, 1)
            nisa.dma_copy(dst=scale, src=w)
            if ahead == 0:
                nisa.dma_copy(dst=wide, src=block(x, n, width=passes * 512))
            product = sbuf(128, 512)
            tile = wide[:, ahead * 512 : ahead * 512 + 512]
            nisa.tensor_scalar(dst=product, data=tile, op0=nl.multiply, operand0=scale)
            nisa.dma_copy(dst=block(result, n, 512 * ahead), src=product)
    return result


X, W = drawn(128, 4096), drawn(128, 1)


def changes(what_if, run) -> dict[str, Change]:
    return {one.title: one for one in what_if(Subject(run)) if isinstance(one, Change)}


def test_a_load_before_the_loop_takes_what_was_said() -> None:
    run = scaled.profile(X, W).run
    (change,) = changes(invariant_loads, run).values()
    assert change.title == "load w before the loop and keep it"
    assert replay(change.program, run) == pytest.approx(scaled_hoisted.profile(X, W).total_ns)
    assert values(change.program) == values(run.program)


@pytest.mark.parametrize("passes", [2, 4])
def test_several_passes_at_a_time_take_what_was_said(passes: int) -> None:
    run = scaled.profile(X, W).run
    found = changes(unrolled_loops, run)
    unrolled_only = found[f"work on {passes} passes of the loop at a time, each with tiles of its own"]
    merged = found[f"load the tiles of {passes} passes of the loop with one DMA"]
    assert replay(unrolled_only.program, run) == pytest.approx(scaled_in_steps.profile(X, W, passes).total_ns)
    assert replay(merged.program, run) == pytest.approx(scaled_merged.profile(X, W, passes).total_ns)
    assert values(unrolled_only.program) == values(merged.program) == values(run.program)


def test_loops_are_advised_on() -> None:
    found = scaled.profile(X, W).advice()
    assert {"unroll", "merge"} <= {one.code for one in found}
    assert all(one.gain_ns > 0.0 for one in found)


def refused(build: Timed) -> list[str]:
    found = list(unrolled_loops(Subject(placed(build)[0].run)))
    assert all(isinstance(one, NotTried) for one in found)
    return [one.why for one in found]


def looped(passes: int) -> Timed:
    build = Timed()
    tile, other = build.sbuf(128, 512), build.sbuf(128, 512)
    with build.loop(passes):
        build.by_vector(other, tile, 2.0)
    return build


def test_an_odd_number_of_passes_is_not_replayed() -> None:
    assert refused(looped(7)) == ["not replayed: 7 passes do not come in pairs"]
    assert not [one for one in unrolled_loops(Subject(placed(looped(8))[0].run)) if isinstance(one, NotTried)]


def test_reloads_across_passes_are_not_given_a_number() -> None:
    @kernel
    def again(x):
        result = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.shared_hbm)
        total = sbuf(128, 512)
        nisa.memset(dst=total, value=0.0)
        for _ in nl.dynamic_range(0, 4):
            for n in nl.dynamic_range(0, x.shape[1], 512):
                tile = sbuf(128, 512)
                nisa.dma_copy(dst=tile, src=block(x, n))
                nisa.tensor_tensor(dst=total, data1=total, data2=tile, op=nl.add)
        nisa.dma_copy(dst=result, src=total)
        return result

    said = {one.title: one.why for one in again.profile(drawn(128, 2048)).advised.rejected}
    why = "not replayed: it is loaded in a loop, from an address that changes"
    assert said["load each tile of x once and keep it"] == why


def test_what_one_pass_leaves_to_the_next_is_not_given_a_tile_per_pass() -> None:
    build = Timed()
    source, out, total = build.input(128, 512), build.output(128, 512), build.sbuf(128, 512)
    build.move(total, part(source))
    with build.loop(4):
        scratch = build.sbuf(128, 512)
        build.by_vector(scratch, total, 2.0)
        build.by_vector(total, scratch, 0.5)
    build.move(part(out), total)
    made = unrolled(Body(build.program), [0], 2)
    (loop,) = [one for one in made.body if isinstance(one, Loop)]
    assert (len(loop.body), loop.step) == (4, 2)
    # The scratch tile stands twice, what is carried over once.
    assert len(made.tensors) == len(build.program.tensors) + 1
    assert values(made) == values(build.program)
