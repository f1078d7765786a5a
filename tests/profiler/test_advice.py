"""Advice: gains are what simulating the changed program gives, values stay, and a kernel so changed behaves so."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import Kernel, kernel
from nki_sim.memory.allocate import allocate
from nki_sim.profiler import advice
from nki_sim.profiler.advice import LEAST_GAIN_RATIO, WHAT_IFS, Advice, Simulated, advise, replay
from nki_sim.profiler.body import Body, split_versions
from nki_sim.profiler.floors import floors, least
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.rewrite import is_whole, rebuild
from nki_sim.profiler.whatif import Change, Subject
from nki_sim.profiler.whatif_compute import bfloat16_operands
from nki_sim.program.dtypes import bfloat16, float32
from nki_sim.program.ir import Program
from nki_sim.targets import NAMES, load
from nki_sim.timing import simulate
from tests.profiler.programs import placed, timed_programs, values
from tests.support.ir import part
from tests.timing.building import Timed

TRN2 = load("trn2")


@settings(max_examples=40, deadline=None)
@given(timed_programs(most=25))
def test_gains_are_those_of_the_changed_program_and_values_stay(build: Timed) -> None:
    profile, _ = placed(build)
    before = values(build.program)
    found = profile.advice()
    assert [one.gain_ns for one in found] == sorted((one.gain_ns for one in found), reverse=True)
    for one in found:
        again = simulate(one.program, allocate(one.program, TRN2).placement, TRN2).total_ns
        assert one.total_ns == again
        assert one.gain_ns == profile.total_ns - again
        assert one.gain_ratio == one.gain_ns / profile.total_ns >= LEAST_GAIN_RATIO
        assert one.how and one.title and one.replay
        if one.code != "bfloat16":
            assert values(one.program) == before


@settings(max_examples=40, deadline=None)
@given(timed_programs(most=25))
def test_no_change_is_faster_than_the_work_it_leaves_to_others(build: Timed) -> None:
    profile, _ = placed(build)
    needed = floors(profile.run)
    assert all(time <= profile.total_ns * (1 + 1e-9) for time in needed.values())
    for what_if in WHAT_IFS:
        for change in what_if(Subject(profile.run)):
            if isinstance(change, Change):
                then = replay(change.program, profile.run)
                assert then is None or then >= least(needed, change.eases)[0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([8, 64, 512]), st.integers(1, 60), st.booleans()), min_size=1, max_size=8),
    st.sampled_from(NAMES),
)
def test_no_engine_needs_longer_than_it_takes(bursts: list[tuple[int, int, bool]], target: str) -> None:
    """Bursts of products with and without pauses between them, so that the clock warms up and cools down."""
    build = Timed()
    left, right = build.sbuf(128, 128, dtype=bfloat16), build.sbuf(128, 512, dtype=bfloat16)
    bank, slow = build.psum(128, 512), build.sbuf(128, 4096)
    for columns, number, pause in bursts:
        for _ in range(number):
            build.product(part(bank, None, slice(0, columns)), left, part(right, None, slice(0, columns)))
        if pause:
            build.tensor_copy(part(slow, None, slice(0, 8)), part(bank, None, slice(0, 8)))
            build.by_vector(slow, slow, 2.0)
            build.tensor_copy(part(right, None, slice(0, 8)), part(slow, None, slice(0, 8)))
    profile, _ = placed(build, target)
    assert all(time <= profile.total_ns * (1 + 1e-9) for time in floors(profile.run).values())


def test_the_profiled_program_is_left_as_it_was() -> None:
    build = Timed()
    source, tile = build.input(128, 4096), build.sbuf(128, 512)
    for n in range(8):
        build.move(tile, part(source, None, slice(n * 512, n * 512 + 512)))
        build.by_vector(tile, tile, 2.0)
    before, tensors = str(build.program), len(build.program.tensors)
    assert placed(build)[0].advice()
    assert (str(build.program), len(build.program.tensors)) == (before, tensors)


# -- a change made by hand does what its replay said -----------------------------------------------------------------


def sbuf(*shape, dtype=nl.float32):
    return nl.ndarray(shape, dtype=dtype, buffer=nl.sbuf)


@kernel
def layer(x, w):
    """relu(w.T @ x), w loaded for every tile of x."""
    result = nl.ndarray((w.shape[1], x.shape[1]), dtype=x.dtype, buffer=nl.shared_hbm)
    for m in range(0, x.shape[1], 512):
        w_tile = sbuf(128, 128, dtype=w.dtype)
        nisa.dma_copy(dst=w_tile, src=w)
        x_tile = sbuf(128, 512, dtype=x.dtype)
        nisa.dma_copy(dst=x_tile, src=x[:, m : m + 512])
        sums = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(dst=sums, stationary=w_tile, moving=x_tile)
        y_tile = sbuf(128, 512, dtype=x.dtype)
        nisa.activation(dst=y_tile, op=nl.relu, data=sums)
        nisa.dma_copy(dst=result[:, m : m + 512], src=y_tile)
    return result


@kernel
def layer_hoisted(x, w):
    result = nl.ndarray((w.shape[1], x.shape[1]), dtype=x.dtype, buffer=nl.shared_hbm)
    w_tile = sbuf(128, 128, dtype=w.dtype)
    nisa.dma_copy(dst=w_tile, src=w)
    for m in range(0, x.shape[1], 512):
        x_tile = sbuf(128, 512, dtype=x.dtype)
        nisa.dma_copy(dst=x_tile, src=x[:, m : m + 512])
        sums = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(dst=sums, stationary=w_tile, moving=x_tile)
        y_tile = sbuf(128, 512, dtype=x.dtype)
        nisa.activation(dst=y_tile, op=nl.relu, data=sums)
        nisa.dma_copy(dst=result[:, m : m + 512], src=y_tile)
    return result


@kernel
def scale_reused(x):
    """2 x through one tile."""
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = sbuf(128, x.shape[1])
    for row in range(0, x.shape[0], 128):
        nisa.dma_copy(dst=tile, src=x[row : row + 128])
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=result[row : row + 128], src=tile)
    return result


@kernel
def scale_doubled(x):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tiles = [sbuf(128, x.shape[1]), sbuf(128, x.shape[1])]
    for row in range(0, x.shape[0], 128):
        tile = tiles[row // 128 % 2]
        nisa.dma_copy(dst=tile, src=x[row : row + 128])
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=result[row : row + 128], src=tile)
    return result


@kernel
def sum_narrow(x):
    """Row sums of x [128, columns], 64 columns at a time."""
    parts = sbuf(128, x.shape[1] // 64)
    for n in range(x.shape[1] // 64):
        tile = sbuf(128, 64)
        nisa.dma_copy(dst=tile, src=x[:, n * 64 : n * 64 + 64])
        nisa.tensor_reduce(dst=parts[:, n : n + 1], op=nl.add, data=tile, axis=1)
    result = nl.ndarray((128, 1), dtype=x.dtype, buffer=nl.shared_hbm)
    total = sbuf(128, 1)
    nisa.tensor_reduce(dst=total, op=nl.add, data=parts, axis=1)
    nisa.dma_copy(dst=result, src=total)
    return result


@kernel
def sum_merged(x, merged):
    parts = sbuf(128, x.shape[1] // 64)
    wide = None
    for n in range(x.shape[1] // 64):
        if n % merged == 0:
            wide = sbuf(128, merged, 64)
            nisa.dma_copy(dst=wide, src=x[:, n * 64 : (n + merged) * 64].reshape((128, merged, 64)))
        nisa.tensor_reduce(dst=parts[:, n : n + 1], op=nl.add, data=wide[:, n % merged], axis=1)
    result = nl.ndarray((128, 1), dtype=x.dtype, buffer=nl.shared_hbm)
    total = sbuf(128, 1)
    nisa.tensor_reduce(dst=total, op=nl.add, data=parts, axis=1)
    nisa.dma_copy(dst=result, src=total)
    return result


@kernel
def copies(x, engines):
    """Column blocks copied again and again, by the engine named for the turn."""
    tile = sbuf(128, x.shape[1])
    nisa.dma_copy(dst=tile, src=x)
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    done = sbuf(128, x.shape[1])
    for n in range(64):
        chosen = getattr(nisa.engine, engines[n % len(engines)])
        columns = slice(n % 4 * 512, n % 4 * 512 + 512)
        nisa.tensor_copy(dst=done[:, columns], src=tile[:, columns], engine=chosen)
    nisa.dma_copy(dst=result, src=done)
    return result


@kernel
def gather_columns(x, queues):
    """Loads of 16 column blocks, asked for from the named queues in turn."""
    result = nl.ndarray((128, 16), dtype=x.dtype, buffer=nl.shared_hbm)
    for n in range(16):
        tile = sbuf(128, 1)
        chosen = nisa.engine.scalar if queues[n % len(queues)] == "scalar" else nisa.engine.unknown
        nisa.dma_copy(dst=tile, src=x[:, 3 * n * n : 3 * n * n + 1], engine=chosen)
        twice = sbuf(128, 1)
        nisa.tensor_scalar(dst=twice, data=tile, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=result[:, n : n + 1], src=twice)
    return result


def advised(of: Kernel, *args: object, code: str) -> Advice:
    return next(one for one in of.profile(*args).advice() if one.code == code)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def test_a_hoisted_load_gains_what_was_said() -> None:
    x, w = drawn(128, 4096), drawn(128, 128)
    said = advised(layer, x, w, code="hoist")
    assert said.title == "load each tile of w once and keep it"
    assert said.total_ns == pytest.approx(layer_hoisted.profile(x, w).total_ns, rel=0.001)


def test_a_second_buffer_gains_what_was_said() -> None:
    x = drawn(1024, 2048)
    said = advised(scale_reused, x, code="buffer")
    assert said.title == "give tile a second buffer"
    assert [one.text.strip() for one in said.lines] == ["tile = sbuf(128, x.shape[1])"]
    assert said.total_ns == pytest.approx(scale_doubled.profile(x).total_ns)


def test_merged_loads_gain_what_was_said() -> None:
    x = drawn(128, 2048)
    said = advised(sum_narrow, x, code="merge")
    merged = int(said.title.split()[1])
    assert said.title == f"load {merged} tiles with one DMA"
    times = {number: sum_merged.profile(x, number).total_ns for number in (2, 4, 8, 16)}
    assert said.total_ns == pytest.approx(times[merged])
    assert times[merged] == min(times.values())


def test_bfloat16_inputs_gain_what_was_said() -> None:
    x, w = drawn(128, 16384), drawn(128, 128)
    said = [one for one in layer_hoisted.profile(x, w).advice() if one.code == "bfloat16"]
    taken = next(one for one in said if one.title.startswith("take"))
    assert taken.title == "take x and w in bfloat16"
    x, w = (one.astype(ml_dtypes.bfloat16) for one in (x, w))
    # The result stays float32 in the replay; here it takes the type of x, and half the bytes to store.
    assert layer_hoisted.profile(x, w).total_ns <= taken.total_ns


@kernel
def doubled_columns(x):
    """2 x, held in bfloat16 on the way."""
    result = nl.ndarray(x.shape, dtype=nl.float32, buffer=nl.shared_hbm)
    for n in range(0, x.shape[1], 4096):
        tile, twice = sbuf(128, 4096, dtype=nl.bfloat16), sbuf(128, 4096)
        nisa.dma_copy(dst=tile, src=x[:, n : n + 4096])
        nisa.tensor_scalar(dst=twice, data=tile, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=result[:, n : n + 4096], src=twice)
    return result


def test_inputs_that_every_load_casts_are_tried_without_the_cast() -> None:
    x = drawn(128, 16384)
    run = doubled_columns.profile(x).run
    (change,) = bfloat16_operands(Subject(run))
    assert change.title == "take x in bfloat16"
    expected = doubled_columns.profile(x.astype(ml_dtypes.bfloat16)).total_ns
    assert replay(change.program, run) == pytest.approx(expected)


def test_another_engine_gains_what_was_said() -> None:
    x = drawn(128, 2048)
    said = advised(copies, x, ("vector",), code="engine")
    other = said.title.split()[1]
    assert said.title == f"let {other} do every second tensor_copy"
    assert said.total_ns == pytest.approx(copies.profile(x, ("vector", other)).total_ns)


def test_another_queue_gains_what_was_said() -> None:
    x = drawn(128, 1024)
    said = advised(gather_columns, x, ("default",), code="queue")
    assert said.title == "ask for every second load from the scalar queue"
    assert said.total_ns == pytest.approx(gather_columns.profile(x, ("default", "scalar")).total_ns)


# -- what is not offered ---------------------------------------------------------------------------------------------


def test_nothing_is_said_of_a_kernel_that_has_none_of_it() -> None:
    build = Timed()
    tile, other = build.sbuf(128, 4096, dtype=bfloat16), build.sbuf(128, 4096, dtype=bfloat16)
    build.act(other, tile)
    assert placed(build)[0].advice() == []
    assert placed(Timed())[0].advice() == []


def test_loads_of_what_the_kernel_writes_stay_where_they_are() -> None:
    build = Timed()
    source = build.input(128, 512, name="state")
    source.written = True
    for _ in range(4):
        tile = build.sbuf(128, 512)
        build.move(tile, part(source))
        build.by_vector(tile, tile, 2.0)
        build.move(part(source), tile)
    found = placed(build)[0].advice()
    assert not {one.code for one in found} & {"hoist", "merge"}


def test_tiles_that_do_not_fit_are_not_kept() -> None:
    build = Timed()
    source, out = build.input(128 * 8, 16384, name="weights"), build.output(128, 8)
    partial = build.sbuf(128, 8)
    for _ in range(2):
        for n in range(8):
            tile = build.sbuf(128, 16384)
            build.move(tile, part(source, slice(128 * n, 128 * n + 128)))
            build.reduce(part(partial, None, slice(n, n + 1)), tile)
    build.move(out, partial)
    profile, _ = placed(build)
    assert [one.times for one in profile.reloads] == [2.0]
    assert not [one for one in profile.advice() if one.code == "hoist"]


def test_gpsimd_is_not_offered_what_lies_in_psum() -> None:
    build = Timed()
    bank, tile = build.psum(128, 512), build.sbuf(128, 512)
    for _ in range(20):
        build.tensor_copy(tile, bank)
    assert not [one for one in placed(build)[0].advice() if "gpsimd" in one.title]


def test_a_run_that_cannot_be_replayed_gets_no_advice() -> None:
    build = Timed()
    tile, other, trips = build.sbuf(128, 2048), build.sbuf(128, 2048), build.register("trips")
    source = build.sbuf(128, 2048)
    with build.loop(trips):
        build.tensor_copy(other, source)
        build.reciprocal(tile, tile)
    program = build.program
    counts = {id(program.body[0]): 3}
    timeline = simulate(program, allocate(program, TRN2).placement, TRN2, trips=counts)
    assert not Profile(program, timeline, TRN2).replayable
    assert Profile(program, timeline, TRN2).advice() == []
    known = Profile(program, timeline, TRN2, simulated=Simulated(trips=counts))
    assert known.replayable
    assert [one.title for one in known.advice()] == ["let scalar do tensor_copy"]


def test_the_budget_bounds_the_replays() -> None:
    x, w = drawn(128, 4096), drawn(128, 128)
    run = layer.profile(x, w).run
    size = len(run.instructions)
    none = advise(run, budget_instructions=2 * size - 1)
    assert not none.found
    assert [one.why for one in none.rejected] == [
        f"not replayed: {size} instructions; up to {(2 * size - 1) // 2} are replayed"
    ]
    few = advise(run, budget_instructions=2 * size)
    why = f"not replayed: with it, the replays would exceed {2 * size} instructions"
    assert why in {one.why for one in few.rejected}
    assert advise(run).found


@pytest.mark.parametrize("times", [1, 3])
def test_no_more_is_replayed_than_the_budget_allows(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    run = layer.profile(drawn(128, 4096), drawn(128, 128)).run
    replayed: list[Program] = []

    def counted(program: Program, *more: object) -> float | None:
        replayed.append(program)
        return replay(program, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(advice, "replay", counted)
    advise(run, budget_instructions=(1 + times) * len(run.instructions) + 1)
    assert len(replayed) == times


def test_what_an_engine_has_to_do_anyway_rules_changes_out_without_a_replay() -> None:
    build = Timed()
    left, right, bank = (
        build.sbuf(128, 128, dtype=bfloat16),
        build.sbuf(128, 512, dtype=bfloat16),
        build.psum(128, 512),
    )
    source = build.input(128, 512, dtype=bfloat16, name="source")
    for _ in range(2):
        build.move(build.sbuf(128, 512, dtype=bfloat16), part(source))
    for _ in range(2000):
        build.product(bank, left, right)
    found = placed(build)[0].advised
    assert not found.found
    assert {one.why.partition(":")[0] for one in found.rejected} == {"cannot gain 1 %"}
    assert any("the tensor engine needs" in one.why for one in found.rejected)


# -- rewriting -------------------------------------------------------------------------------------------------------


def test_rebuilding_without_a_change_gives_the_same_program() -> None:
    build = Timed()
    tile = build.sbuf(128, 64)
    with build.loop(3):
        build.by_vector(tile, tile, 2.0)
    build.act(tile, tile)
    assert str(rebuild(build.program, {})) == str(build.program)


def test_versions_begin_at_writes_after_reads() -> None:
    build = Timed()
    source, out, tile = build.input(128, 1024), build.output(128, 1024), build.sbuf(128, 512)
    for n in range(2):
        columns = slice(n * 512, n * 512 + 512)
        build.move(tile, part(source, None, columns))
        build.by_vector(tile, tile, 2.0)
        build.move(part(out, None, columns), tile)
    made = split_versions(Body(build.program), {tile.index})
    assert made is not None
    assert len(made.tensors) == len(build.program.tensors) + 1
    dsts = [one.operands["dst"].tensor.index for one in made.instructions()]
    new = len(build.program.tensors)
    assert dsts == [tile.index, tile.index, out.index, new, new, out.index]
    assert values(made) == values(build.program)


def test_a_tile_of_which_old_bytes_are_read_is_not_split() -> None:
    build = Timed()
    source, tile, other = build.input(128, 512), build.sbuf(128, 512), build.sbuf(128, 512)
    build.move(tile, part(source))
    build.by_vector(other, tile, 2.0)
    build.move(part(tile, None, slice(0, 256)), part(source, None, slice(0, 256)))
    build.by_vector(other, tile, 2.0)
    assert split_versions(Body(build.program), {tile.index}) is None


def test_whole_patterns_are_told_from_parts() -> None:
    tile = Timed().sbuf(128, 4, 8, dtype=float32)
    assert is_whole(tile.whole())
    assert is_whole(tile.whole().replace(dims=((1, 32),)))
    assert not is_whole(tile.whole().replace(dims=((1, 4), (4, 8))))
    assert not is_whole(tile.whole().replace(dims=((8, 4), (1, 7))))
    assert not is_whole(tile.whole().replace(partition=(0, 1, 64)))
    assert not is_whole(tile.whole().replace(offset=1, dims=((1, 31),)))


def test_a_program_that_does_not_fit_has_no_time() -> None:
    build = Timed()
    one, other = build.sbuf(128, 32768), build.sbuf(128, 32768)
    build.act(one, other)
    assert replay(build.program, placed(Timed())[0].run) is None
