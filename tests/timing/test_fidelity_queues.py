"""Queues, shared ports, tiles of the PE array and hoisted loads: what one instruction does to another."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.options import KernelOptions
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import bfloat16, float32
from nki_sim.program.ir import TensorDecl
from nki_sim.targets import load
from nki_sim.timing import simulate
from nki_sim.timing.lanes import LANES, TRANSFER, TRIGGER
from nki_sim.timing.pool import Intervals, Ring
from nki_sim.timing.timeline import Timeline
from tests.support.ir import part
from tests.timing.building import Timed, first_fit


def run(build: Timed, target: str = "trn2", schedule: str = "program") -> Timeline:
    return simulate(build.program, None, load(target), schedule=schedule)  # type: ignore[arg-type]


def triggers(timeline: Timeline) -> np.ndarray:  # type: ignore[type-arg]
    return timeline.rows[timeline.rows["kind"] == TRIGGER]


# -- rings -------------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 60), st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5), st.integers(1, 10)), max_size=12))
def test_a_trigger_is_held_until_what_is_left_fits(limit: int, transfers: list[tuple[int, int, int]]) -> None:
    """Against the bytes still to move at the moment the ring names, and just before it."""
    ring, moving, now = Ring(limit), [], 0.0
    for size, gap, length in transfers:
        begin = now + gap
        now = begin + length
        released = ring.push(size, begin, now)
        moving.append((size, begin, now))

        def left(moment: float, moving: list[tuple[int, float, float]] = moving) -> float:
            return sum(s * min(1.0, max(0.0, (e - moment) / (e - b))) for s, b, e in moving)

        assert left(released) <= limit + 1e-6
        if released > 0.0:
            assert left(released - 0.01) > limit - 1e-6


def test_triggers_of_large_loads_wait_for_the_queue() -> None:
    """Profiles: the third of a row of 512-KB stores lasts 1.0-2.6 us, smaller ones 517-612 ns."""

    def lengths(elements: int) -> list[float]:
        build = Timed()
        for _ in range(12):
            build.move(build.output(128, elements), build.sbuf(128, elements), mode="hwdge", engine="scalar")
        rows = triggers(run(build))
        return list(rows["end_ns"] - rows["start_ns"])

    assert max(lengths(128)) == pytest.approx(541)
    large = lengths(1024)
    assert large[0] == pytest.approx(541)
    assert 1000 < large[-1] < 2600


def test_scalar_computes_beside_its_triggers() -> None:
    """Profiles: a COPY on Scalar starts 39-98 ns after a hardware-DGE trigger that lasts 500 ns more."""
    build = Timed()
    build.move(build.output(128, 512), build.sbuf(128, 512), mode="hwdge", engine="scalar")
    build.tensor_copy(build.sbuf(128, 512), build.psum(128, 512), "scalar")
    timeline = run(build)
    trigger, copy = timeline.lane("scalar")
    assert 30 < copy["start_ns"] - trigger["start_ns"] < 100
    assert trigger["end_ns"] > copy["start_ns"] + 300


@pytest.mark.parametrize("tiles, published", [(4, 1163), (8, 1326)])
def test_software_descriptors_take_gpsimd_a_microsecond(tiles: int, published: float) -> None:
    """Profiles: from the last Vector result to the trigger 1195-1204 ns for 512 descriptors, 1358 for 1024."""
    build = Timed()
    tile = build.sbuf(128, tiles, 128)
    # Something before it, so that the store's trigger is not where time begins.
    build.move(build.sbuf(128, 128), build.input(128, 128), mode="hwdge")
    build.tensor_copy(tile, build.psum(128, tiles, 128))
    rows = AccessPattern(build.output(128 * tiles, 128), float32, None, 0, ((128, 128), (128 * 128, tiles), (1, 128)))
    build.move(rows, tile, mode="swdge")
    timeline = run(build)
    ready = timeline.lane("vector")["end_ns"][0] + load("trn2")["semaphore.to_trigger_ns"]
    assert timeline.lane("gpsimd")["start_ns"][0] - ready == pytest.approx(published, rel=0.01)


def test_time_begins_with_the_first_trigger() -> None:
    build = Timed()
    build.move(build.sbuf(128, 128), build.input(128, 128), mode="swdge")
    assert triggers(run(build))["start_ns"][0] == 0.0


def test_two_semaphores_cost_one_more_instruction() -> None:
    """Profiles: an EVENT_SEMAPHORE for each further semaphore, 77-95 ns."""

    def start(loads: int) -> float:
        build = Timed()
        tiles = [build.sbuf(128, 128, dtype=bfloat16) for _ in range(2)]
        for tile in tiles[2 - loads :]:
            build.move(tile, build.input(128, 128, dtype=bfloat16), mode="hwdge")
        build.product(build.psum(128, 128), tiles[0], tiles[1])
        timeline = run(build)
        return float(timeline.lane("tensor")["load_start_ns"][0] - timeline.lane("dma load")["end_ns"].max())

    assert start(2) - start(1) == pytest.approx(load("trn2")["semaphore.wait_ns"])


# -- loads on a drained queue ------------------------------------------------------------------------------------------


def test_a_load_on_a_nearly_drained_queue_completes_later() -> None:
    build = Timed()
    for _ in range(12):
        build.move(build.sbuf(128, 1024), build.input(128, 1024), mode="hwdge")
    packets = run(build).lane("dma load")
    assert (packets["start_ns"][1:] - packets["issue_end_ns"][:-1]).max() < 1
    tails = packets["end_ns"] - packets["issue_end_ns"]
    assert np.ptp(tails[2:]) < 1e-6
    few = Timed()
    few.move(few.sbuf(128, 512), few.input(128, 512), mode="hwdge")
    few.move(few.sbuf(128, 512), few.input(128, 512), mode="hwdge")
    tails = np.subtract(*(run(few).lane("dma load")[field] for field in ("end_ns", "issue_end_ns")))
    assert tails[1] - tails[0] == pytest.approx(load("trn2")["dma.restart_ns"])


# -- who comes first ---------------------------------------------------------------------------------------------------

TRANSFERS = st.tuples(
    st.sampled_from(["load", "store"]), st.sampled_from(["sync", "scalar", "gpsimd"]),
    st.sampled_from([1, 64, 512, 2048]), st.booleans(),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(TRANSFERS, min_size=2, max_size=14), st.sampled_from(["trn1", "trn2", "trn3"]))
def test_a_queue_keeps_its_order_and_the_pool_serves_who_asks_first(asked: list[Any], target: str) -> None:
    build = Timed(target)
    for direction, engine, columns, busy in asked:
        tile = build.sbuf(128, columns)
        if busy:
            build.tensor_copy(tile, build.sbuf(128, columns), "vector")
        if direction == "load":
            build.move(tile, build.input(128, columns), engine=engine)
        else:
            build.move(build.output(128, columns), tile, engine=engine)
    timeline = run(build, target)
    rows, works = timeline.rows, timeline.works
    packets = rows[rows["kind"] == TRANSFER]
    queue = [(works[row["instruction"]].transfer.trigger, works[row["instruction"]].transfer.mode) for row in packets]
    asked_ns = packets["start_ns"] - packets["stall_ns"]
    for one in set(queue):
        members = np.flatnonzero([other == one for other in queue])
        begins = packets["start_ns"][members]
        assert (np.diff(begins) >= 0).all()
        # A transfer asks when the one before it in its queue has begun.
        asked_ns[members[1:]] = np.maximum(asked_ns[members[1:]], begins[:-1])
    # Of two that wait for the engines, the one that asked first passes first.
    for first, second in itertools.permutations(range(len(packets)), 2):
        if queue[first] != queue[second] and asked_ns[first] < asked_ns[second] - 1:
            assert packets["start_ns"][first] <= packets["start_ns"][second] + 1e-6


@pytest.mark.parametrize("columns", [512, 2048])
def test_one_more_buffer_is_never_slower(columns: int) -> None:
    """Load, work, store, with 1 to 6 tiles of each kind in turn: transfers of all queues meet in the pool."""

    def time(tiles: int) -> float:
        build = Timed()
        loaded, worked = ([build.sbuf(128, columns) for _ in range(tiles)] for _ in range(2))
        for step in range(24):
            source, result = loaded[step % tiles], worked[step % tiles]
            build.move(source, build.input(128, columns))
            build.act(result, source)
            build.move(build.output(128, columns), result)
        return run(build).total_ns

    times = [time(tiles) for tiles in range(1, 7)]
    assert all(more <= fewer * 1.001 for fewer, more in itertools.pairwise(times))
    assert times[1] < 0.75 * times[0]


# -- shared ports ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=12))
def test_intervals_find_the_first_gap(asked: list[tuple[int, int]]) -> None:
    busy, taken = Intervals(), [False] * 300
    for start, length in asked:
        found = next(t for t in range(start, 300) if not any(taken[t : t + length]))
        assert busy.gap(start, length) == found
        assert busy.overlap(start, start + length) == sum(taken[start : start + length])
        busy.add(found, found + length)
        taken[found : found + length] = [True] * length


def beside(target: str, one: str, other: str, space: str, dtype: object = float32) -> Timeline:
    """Two independent copies, one on each engine."""
    build = Timed(target)
    for engine in (one, other):
        destination = build.sbuf(128, 512, dtype=dtype)  # type: ignore[arg-type]
        source = build.tensor(space, (128, 512), dtype=dtype)  # type: ignore[arg-type]
        if engine == "scalar":
            build.act(destination, source, "copy")
        else:
            build.tensor_copy(destination, source, engine)
    return run(build, target)


@pytest.mark.parametrize("other, space", [("gpsimd", "sbuf"), ("scalar", "psum")])
def test_trn1_does_not_share(other: str, space: str) -> None:
    """trainium_inferentia2_arch.rst: neither Vector and GpSimd at SBUF nor Vector and Scalar at PSUM in parallel."""
    first, second = beside("trn1", "vector", other, space).rows
    assert second["start_ns"] >= first["issue_end_ns"]
    assert beside("trn1", "vector", other, space).stalls[second["stall"]] == "shared port"
    one, two = beside("trn2", "vector", other, space).rows
    assert two["start_ns"] < one["issue_end_ns"]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 2048), st.integers(1, 4096), st.sampled_from([float32, bfloat16]),
    st.sampled_from(["copy", "add", "divide"]),
)  # fmt: skip
def test_a_slowed_mode_is_between_itself_and_none(columns: int, beside: int, dtype: Any, op: str) -> None:
    """Beside GpSimd a fast mode of Vector is no faster than alone and no slower than the same without the mode."""

    def length(gpsimd: bool, fast: bool) -> float:
        build = Timed()
        if gpsimd:
            build.tensor_copy(build.sbuf(128, beside), build.sbuf(128, beside), "gpsimd")
        # Two inputs in SBUF in float32, or one from PSUM, are documented to have no mode.
        kind = dtype if fast else float32
        one, other, result = (build.sbuf(128, columns, dtype=kind) for _ in range(3))
        if op == "copy":
            build.tensor_copy(result, one if fast else build.tensor("psum", (128, columns), dtype=kind), "vector")
        else:
            build.add("tensor_tensor", "vector", {"dst": result, "data1": one, "data2": other}, op=op, engine="vector")
        (row,) = run(build).lane("vector")
        return float(row["issue_end_ns"] - row["start_ns"])

    alone, slowed, plain = length(False, True), length(True, True), length(False, False)
    if op == "copy":
        plain -= load("trn2")["vector.psum_source_cycles"] / load("trn2")["vector.clock_ghz"]
    assert alone - 1e-6 <= slowed <= plain + 1e-6


def test_trn2_slows_only_the_fast_modes() -> None:
    """trainium2_arch.rst: 2x and 4x modes use a bus shared with GpSimd. Plain copies from PSUM do not."""

    def length(space: str, beside_gpsimd: bool) -> float:
        build = Timed()
        if beside_gpsimd:
            build.tensor_copy(build.sbuf(128, 4096), build.sbuf(128, 4096), "gpsimd")
        build.tensor_copy(build.sbuf(128, 512), build.tensor(space, (128, 512)), "vector")
        row = run(build).lane("vector")[0]
        return float(row["issue_end_ns"] - row["start_ns"])

    assert length("psum", True) == length("psum", False)
    assert length("sbuf", True) > 1.5 * length("sbuf", False)


@pytest.mark.parametrize("op", ["add", "divide"])
def test_trn2_slows_two_inputs_of_16_bits_beside_gpsimd(op: str) -> None:
    """The 2x mode is over the two-input rule, whatever older documents give the operator without it."""
    build = Timed()
    build.tensor_copy(build.sbuf(128, 8192), build.sbuf(128, 8192), "gpsimd")
    one, other, result = (build.sbuf(128, 2048, dtype=bfloat16) for _ in range(3))
    for _ in range(2):
        build.add("tensor_tensor", "vector", {"dst": result, "data1": one, "data2": other}, op=op, engine="vector")
    rows = run(build).lane("vector")
    alone = (2048 + load("trn2")["vector.issue_cycles"]) / load("trn2")["vector.clock_ghz"]
    assert rows["issue_end_ns"][0] - rows["start_ns"][0] == pytest.approx(alone + 2048 / 0.96)


# -- tiles of the PE array ---------------------------------------------------------------------------------------------


def tiled(positions: list[tuple[int, int]], size: tuple[int, int], columns: int = 512) -> Timeline:
    build = Timed()
    for row, column in positions:
        weights = build.sbuf(128, 128, dtype=bfloat16)
        moving = build.sbuf(128, columns, dtype=bfloat16)
        made = build.product(
            build.psum(size[1], columns),
            part(weights, slice(row, row + size[0]), slice(0, size[1])),
            part(moving, slice(row, row + size[0]), slice(0, columns)),
        )
        made.attributes |= {"tile_position": (row, column), "tile_size": size}
    return run(build)


def test_disjoint_tiles_stream_together_and_the_same_tile_does_not() -> None:
    """nki.isa.nc_matmul: matmuls on different row or column tiles run in parallel."""
    four = tiled([(0, 0), (32, 0), (64, 0), (96, 0)], (32, 128)).total_ns
    same = tiled([(0, 0)] * 4, (32, 128)).total_ns
    alone = tiled([(0, 0)], (32, 128)).total_ns
    assert alone < four < 1.4 * alone
    assert same > 2.0 * four


def test_whole_array_waits_for_all_tiles() -> None:
    rows = tiled([(0, 0), (64, 0), (0, 0)], (64, 128)).lane("tensor")
    build_rows = tiled([(0, 0), (64, 0)], (64, 128)).lane("tensor")
    assert rows["start_ns"][2] >= build_rows["issue_end_ns"][0] - 1e-9


# -- hoisting ----------------------------------------------------------------------------------------------------------


def blocked_load() -> Timed:
    """A load into a tile that a long computation still reads, then one into a tile nobody uses, and its consumer."""
    build = Timed()
    used, free = build.sbuf(128, 512), build.sbuf(128, 512)
    build.move(used, build.input(128, 512))
    for _ in range(12):
        build.tensor_copy(build.sbuf(128, 512), used)
    build.move(used, build.input(128, 512))
    build.move(free, build.input(128, 512))
    build.act(build.sbuf(128, 512), free)
    return build


def test_hoisted_loads_pass_one_that_waits_for_its_buffer() -> None:
    literal, hoisted = run(blocked_load()), run(blocked_load(), schedule="hoisting")
    assert hoisted.lane("scalar")["start_ns"][-1] < literal.lane("scalar")["start_ns"][-1] - 3000
    assert hoisted.total_ns <= literal.total_ns


def test_hoisted_loads_still_wait_for_data_and_buffers() -> None:
    timeline = run(blocked_load(), schedule="hoisting")
    reloading = timeline.rows[(timeline.rows["instruction"] == 13) & (timeline.rows["kind"] == TRIGGER)][0]
    assert reloading["start_ns"] >= timeline.lane("vector")["end_ns"].max()
    exponential = timeline.lane("scalar")[-1]
    arrived = timeline.rows[timeline.rows["instruction"] == 14]["end_ns"].max()
    assert exponential["start_ns"] >= arrived


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["load", "copy", "store"]), min_size=1, max_size=14), st.integers(1, 3))
def test_dependences_hold_under_hoisting(steps: list[str], slots: int) -> None:
    """Every consumer starts after all it waits for is complete."""
    build = Timed()
    tiles: list[TensorDecl] = [build.sbuf(128, 256)]
    for step in steps:
        if step == "load":
            tiles.append(build.sbuf(128, 256))
            build.move(tiles[-1], build.input(128, 256))
        elif step == "copy":
            tiles.append(build.tensor_copy(build.sbuf(128, 256), tiles[-1]).operands["dst"].tensor)  # type: ignore[union-attr]
        else:
            build.move(build.output(128, 256), tiles[-1])
    timeline = simulate(build.program, first_fit(build, slots), load("trn2"), schedule="hoisting")
    rows = timeline.rows
    for instance, waits in enumerate(timeline.waits):
        mine = rows[rows["instance"] == instance]["start_ns"].min()
        for code in waits:
            assert rows[rows["instance"] == code >> 1]["end_ns"].max() <= mine


def test_hoisting_is_an_option_of_a_kernel() -> None:
    assert KernelOptions(schedule="hoisting").schedule == "hoisting"
    with pytest.raises(ValueError, match="schedule"):
        simulate(Timed().program, None, load("trn2"), schedule="sideways")  # type: ignore[arg-type]


def test_every_stall_word_is_used_by_its_number() -> None:
    timeline = beside("trn1", "vector", "gpsimd", "sbuf")
    assert set(timeline.rows["stall"]) <= set(range(len(timeline.stalls)))
    assert set(timeline.rows["lane"]) <= set(range(len(LANES)))
