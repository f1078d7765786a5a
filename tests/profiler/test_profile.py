"""Profile: numbers against what the program plainly does, and the sentence on the bottleneck."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nki_sim.memory.allocate import allocate
from nki_sim.profiler.profile import Profile
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import bfloat16
from nki_sim.targets import load
from nki_sim.timing import simulate
from nki_sim.timing.timeline import ROW
from tests.support.ir import part
from tests.timing.building import Timed, first_fit, tiled_matmul


def profiled(build: Timed, target: str = "trn2") -> Profile:
    return Profile(build.program, simulate(build.program, first_fit(build), load(target)), load(target))


@pytest.fixture(scope="module")
def matmul() -> Profile:
    return profiled(tiled_matmul(256, 512, 1024, bfloat16))


def test_metrics_count_what_the_program_does(matmul: Profile) -> None:
    found = matmul.metrics
    assert found.model_flops == 2 * 256 * 512 * 1024
    # Each of the 2 x 2 results needs all of K: 4 tiles of lhsT and of rhs.
    assert found.hbm_read_bytes == 2 * 2 * 4 * (128 * 128 + 128 * 512) * 2
    assert found.hbm_write_bytes == 256 * 1024 * 2
    assert found.dma_transfers == 2 * 2 * (2 * 4 + 1)
    assert found.mean_transfer_bytes == pytest.approx(found.dma_bytes / found.dma_transfers)
    seconds = matmul.total_ns * 1e-9
    assert found.mfu_ratio == pytest.approx(found.model_flops / seconds / 78.6e12)
    assert found.mbu_ratio == pytest.approx((found.hbm_read_bytes + found.hbm_write_bytes) / seconds / 716e9)


def test_engines_add_up(matmul: Profile) -> None:
    assert list(matmul.engines) == ["tensor", "vector", "scalar", "gpsimd", "sync", "dma"]
    assert matmul.engines["tensor"].instructions == 16
    assert matmul.engines["vector"].instructions == 4
    assert matmul.engines["dma"].instructions == 36
    for use in matmul.engines.values():
        assert 0 <= use.active_ratio <= 1
        assert use.active_ratio == pytest.approx(use.busy_ns / matmul.total_ns)
    assert matmul.timeline.dtype == ROW


def test_transposes_are_no_model_flops() -> None:
    build = Timed()
    build.transpose(build.psum(128, 128), build.sbuf(128, 128))
    found = profiled(build).metrics
    assert (found.model_flops, found.transpose_ratio) == (0, 1.0)


def test_reloads_name_the_tensor_and_the_number(matmul: Profile) -> None:
    assert [(one.tensor.name, one.times) for one in matmul.reloads] == [("lhsT", 2.0), ("rhs", 2.0)]
    assert "lhsT is loaded 2 times and rhs is loaded 2 times" in matmul.bottleneck


def test_a_broadcast_row_is_loaded_once() -> None:
    build = Timed()
    row = build.input(1, 512, name="weight")
    build.move(build.sbuf(128, 512), AccessPattern(row, row.dtype, None, 0, ((0, 128), (1, 512))))
    found = profiled(build)
    assert [one.times for one in found.reloads] == [1.0]
    assert found.metrics.hbm_read_bytes == 128 * 512 * 4


def test_lines_share_out_all_time(matmul: Profile) -> None:
    lanes = {name: sum(line.busy_ns.get(name, 0.0) for line in matmul.lines) for name in matmul.run.lanes}
    for name in ("tensor", "vector", "gpsimd", "sync"):
        assert lanes[name] == pytest.approx(matmul.engines[name].busy_ns)
    assert sum(lanes[name] for name in lanes if name.startswith("dma")) == pytest.approx(matmul.engines["dma"].busy_ns)
    assert sum(line.moved_bytes for line in matmul.lines) == matmul.metrics.dma_bytes
    assert sum(line.instructions for line in matmul.lines) == len(matmul.program)


def test_stalls_account_for_the_idle_time_of_an_engine(matmul: Profile) -> None:
    rows = matmul.run.lane("tensor")
    idle = rows["start_ns"][-1] - (rows["issue_end_ns"] - rows["start_ns"])[:-1].sum()
    assert sum(one.total_ns for one in matmul.stalls if one.engine == "tensor") == pytest.approx(idle)
    assert [one.total_ns for one in matmul.stalls] == sorted((one.total_ns for one in matmul.stalls), reverse=True)
    assert matmul.stalls[0].span is not None


def busy_tensor(build: Timed) -> None:
    left, right, total = (
        build.sbuf(128, 128, dtype=bfloat16),
        build.sbuf(128, 512, dtype=bfloat16),
        build.psum(128, 512),
    )
    for _ in range(600):
        build.product(total, left, right)


def cold_tensor(build: Timed) -> None:
    left, right, total = (
        build.sbuf(128, 128, dtype=bfloat16),
        build.sbuf(128, 512, dtype=bfloat16),
        build.psum(128, 512),
    )
    for _ in range(10):
        build.product(total, left, right)


def streaming(build: Timed) -> None:
    source = build.input(128, 65536, name="weights")
    for n in range(32):
        build.move(build.sbuf(128, 4096), part(source, None, slice((n % 16) * 4096, (n % 16) * 4096 + 4096)))


def small_triggers(build: Timed) -> None:
    source = build.input(128, 4096)
    for n in range(32):
        build.move(build.sbuf(128, 64), part(source, None, slice(n * 64, n * 64 + 64)))


def chained(build: Timed) -> None:
    one, other = build.sbuf(128, 8), build.sbuf(128, 8)
    for _ in range(10):
        build.act(other, one, "copy")
        build.by_vector(one, other, 2.0)


def vector_bound(build: Timed) -> None:
    for _ in range(5):
        build.reciprocal(build.sbuf(128, 512), build.sbuf(128, 512))


@pytest.mark.parametrize(
    "issue, sentence",
    [
        (busy_tensor, "Tensor engine busy "),
        (cold_tensor, "for a clock not yet warm"),
        (streaming, "DMA-bound: 64 MiB moved, DMA engines busy "),
        (streaming, "; weights is loaded 2 times"),
        (small_triggers, "bound by DMA triggers: 32 transfers of 32 KiB keep a queue busy "),
        (chained, "no engine is busy more than "),
        (vector_bound, "Vector engine busy "),
        (vector_bound, "100 % of it in reciprocal"),
    ],
    ids=["tensor", "cold", "dma", "reload", "triggers", "waiting", "vector", "op"],
)
def test_bottleneck_says_why(issue: object, sentence: str) -> None:
    build = Timed()
    issue(build)  # type: ignore[operator]
    assert sentence in profiled(build).bottleneck


def test_high_water_marks_come_from_the_allocation() -> None:
    build = tiled_matmul(128, 256, 512, bfloat16)
    target = load("trn2")
    allocation = allocate(build.program, target)
    found = Profile(build.program, simulate(build.program, allocation.placement, target), target, allocation=allocation)
    assert found.memory["psum"].peak_bytes == 2048
    assert found.memory["sbuf"].capacity_bytes == target.limit("sbuf_usable_bytes")
    assert profiled(build).memory == {}


def test_an_empty_program_has_a_profile() -> None:
    build = Timed()
    found = profiled(build)
    assert found.total_ns == 0
    assert found.bottleneck == "nothing was executed"
    assert json.dumps(found.to_json(), allow_nan=False)
    assert np.all([use.active_ratio == 0 for use in found.engines.values()])
