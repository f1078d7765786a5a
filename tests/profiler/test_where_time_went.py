"""Time by engine, metrics under their definitions, roofline, memory map: each against a count made another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.profiler.memory_map import MemoryBlock, MemoryMap, group_names
from nki_sim.profiler.metrics import DEFINITIONS, EXPLORER_NAMES
from nki_sim.profiler.naming import join_names, named_at
from nki_sim.program.dtypes import bfloat16, float32
from nki_sim.targets import load
from tests.profiler.programs import placed, timed_programs
from tests.support.ir import part
from tests.timing.building import Timed, tiled_matmul


@settings(max_examples=40, deadline=None)
@given(timed_programs())
def test_every_engine_accounts_for_all_of_the_time(build: Timed) -> None:
    profile, _ = placed(build)
    assert profile.engine_times
    for one in profile.engine_times:
        whole = one.busy_ns + sum(one.waits_ns.values()) + one.done_ns
        assert whole == pytest.approx(profile.total_ns)
        assert min(one.busy_ns, one.done_ns) >= -1e-6
        assert "other" not in one.waits_ns
        assert list(one.waits_ns.values()) == sorted(one.waits_ns.values(), reverse=True)


def test_a_bank_waited_for_is_called_so() -> None:
    build = Timed()
    left, right, bank = build.sbuf(128, 128), build.sbuf(128, 512), build.psum(128, 512)
    for _ in range(4):
        build.product(bank, left, right)
        build.tensor_copy(build.sbuf(128, 512), bank)
    profile, _ = placed(build)
    tensor = next(one for one in profile.engine_times if one.engine == "tensor")
    assert tensor.waits_ns["psum bank"] > 0
    assert tensor.waits_ns["clock not warm"] == profile.metrics.slow_clock_ns > 0
    waiting = next(one for one in profile.stalls if one.cause == "buffer reuse")
    assert waiting.reason == "until tensor_copy no longer needs the PSUM bank"


@pytest.mark.parametrize("dtype, weight", [(bfloat16, 1), (float32, 4)])
def test_hardware_flops_count_transposes_and_weigh_types(dtype: object, weight: int) -> None:
    build = Timed()
    left, right = build.sbuf(128, 64, dtype=dtype), build.sbuf(128, 512, dtype=dtype)
    build.product(build.psum(64, 512), left, right)
    build.transpose(build.psum(64, 128, dtype=dtype), left)
    found = placed(build)[0].metrics
    assert found.model_flops == 2 * 128 * 64 * 512
    assert found.transpose_flops == 2 * 128 * 64 * 128
    assert found.hardware_flops == found.model_flops + found.transpose_flops
    assert found.adjusted_hardware_flops == weight * found.hardware_flops
    assert found.adjusted_transpose_flops == weight * found.transpose_flops
    assert found.hfu_ratio == pytest.approx(found.mfu_ratio * found.hardware_flops / found.model_flops)


def test_useful_reads_are_first_reads() -> None:
    build = Timed()
    source = build.input(128, 2048)
    for _ in range(4):
        build.move(build.sbuf(128, 2048), part(source))
    profile, _ = placed(build)
    found = profile.metrics
    assert found.useful_read_ratio == 0.25
    assert found.mbu_min_read_ratio == pytest.approx(found.mbu_ratio / 4)
    assert 0 < found.dma_any_active_ratio <= 1


def test_names_of_neuron_explorer_belong_to_metrics_there_are() -> None:
    assert set(EXPLORER_NAMES) <= set(DEFINITIONS)
    assert len(set(EXPLORER_NAMES.values())) == len(EXPLORER_NAMES)


def test_the_roofline_is_the_lower_of_two_limits() -> None:
    target = load("trn2")
    profile, _ = placed(tiled_matmul(256, 512, 1024, bfloat16))
    found = profile.roofline
    assert found.peak_tflops == found.used_peak_tflops == target["tensor.peak_bf16_tflops"]
    assert found.memory_bound
    assert found.allowed_tflops == pytest.approx(found.intensity_flops_per_byte * found.hbm_bytes_per_ns / 1e3)
    assert found.achieved_tflops == pytest.approx(profile.metrics.mfu_ratio * found.peak_tflops)
    assert 0 < found.reached_ratio < 1
    slower, _ = placed(tiled_matmul(256, 512, 1024, float32))
    assert slower.roofline.used_peak_tflops == pytest.approx(found.peak_tflops / 4)
    assert placed(Timed())[0].roofline.allowed_tflops == 0


# -- memory ----------------------------------------------------------------------------------------------------------


def test_blocks_are_where_and_when_the_tensors_are() -> None:
    build = Timed()
    source, out = build.input(128, 512), build.output(128, 512)
    first, second = build.sbuf(128, 512, name="first"), build.sbuf(64, 512, name="second")
    build.move(first, part(source))
    build.by_vector(second, part(first, slice(0, 64)), 2.0)
    build.move(part(out, slice(0, 64)), second)
    profile, allocation = placed(build)
    found = profile.memory_map["sbuf"]
    blocks = {one.name: one for one in found.blocks}
    assert set(blocks) == {"first", "second"}
    assert [one.partitions for one in found.blocks] == [128, 64]
    for tensor, block in ((first, blocks["first"]), (second, blocks["second"])):
        assert (block.first_partition, block.start_byte) == allocation.placement[tensor.index]
        assert block.end_byte - block.start_byte == tensor.bytes_per_partition
    rows = profile.timeline
    vector = rows[rows["instruction"] == 1]
    assert blocks["first"].first_ns == 0.0
    assert blocks["first"].last_ns == vector["end_ns"].max()
    assert blocks["second"].first_ns == vector["start_ns"].min()
    assert blocks["second"].last_ns == profile.total_ns
    assert [one.name for one in found.alive_at(0.0)] == ["first"]
    assert {one.name for one in found.alive_at(float(vector["start_ns"][0]))} == {"first", "second"}
    assert profile.memory_map["psum"].blocks == []


rectangles = st.lists(
    st.tuples(st.integers(0, 15), st.integers(1, 8), st.integers(0, 30), st.integers(1, 20)), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(rectangles, st.integers(1, 9), st.integers(1, 9))
def test_the_grid_is_the_area_held(found: list[tuple[int, int, int, int]], bands: int, cells: int) -> None:
    tensor = Timed().sbuf(128, 8)
    high, total = 24, 50
    blocks = [
        MemoryBlock(
            tensor=tensor, name="t", span=None, first_partition=0, partitions=128, start_byte=low, end_byte=low + size,
            first_ns=float(begin), last_ns=float(begin + length), first=0, last=0,
        )
        for low, size, begin, length in found
    ]  # fmt: skip
    memory = MemoryMap(
        space="sbuf", capacity_bytes=high, extent_bytes=high, partitions=128, total_ns=float(total), blocks=blocks
    )
    fine = np.zeros((high * bands, total * cells))
    for low, size, begin, length in found:
        fine[low * bands : (low + size) * bands, begin * cells : (begin + length) * cells] += 1
    expected = fine.reshape(bands, high, cells, total).mean(axis=(1, 3))
    assert np.allclose(memory.grid(bands, cells), expected)
    assert np.allclose(memory.used_bytes(cells), expected.mean(axis=0) * high)


def test_tiles_of_one_line_are_one_group_and_the_largest_comes_first() -> None:
    build = Timed()
    for n in range(4):
        build.by_vector(build.sbuf(128, 64 + n, name="small"), build.sbuf(128, 1024, name="large"), 2.0)
    profile, _ = placed(build)
    groups = group_names(profile.memory_map["sbuf"].blocks)
    assert [(name.split(":")[0], len(blocks)) for name, blocks in groups.items()] == [("large", 4), ("small", 4)]


def test_tiles_are_called_as_the_kernel_calls_them() -> None:
    build = Timed()
    tile = build.sbuf(128, 8)
    tiles = {}
    tiles[0] = build.sbuf(128, 8)
    unnamed = [build.sbuf(128, 8)]
    assert named_at(build.program, tile)[0] == "tile"
    assert named_at(build.program, tiles[0])[0] == "tiles"
    assert named_at(build.program, unnamed[0])[0] == "%2"
    assert named_at(build.program, build.sbuf(128, 8, name="given"))[0] == "given"


@pytest.mark.parametrize(
    "names, text", [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "a", "c"], "a, b and c"), ([], "")]
)
def test_names_join(names: list[str], text: str) -> None:
    assert join_names(names) == text
