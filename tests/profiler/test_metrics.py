"""Metrics of random programs keep to their definitions, and every table that shares out a total adds up to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.profiler.reporters.json import by_instruction
from nki_sim.targets import NAMES
from tests.profiler.programs import placed, timed_programs
from tests.timing.building import Timed


@settings(max_examples=40, deadline=None)
@given(timed_programs(), st.sampled_from(NAMES))
def test_ratios_are_in_order_and_between_nothing_and_all(build: Timed, target: str) -> None:
    profile, _ = placed(build, target)
    found = profile.metrics
    assert 0.0 <= found.mfu_ratio <= found.hfu_ratio <= 1.0
    assert 0.0 <= found.tensor_active_ratio <= found.tensor_engine_active_ratio + 1e-9 <= 1.0 + 2e-9
    assert found.mbu_min_read_ratio >= 0.0 and found.mfu_ratio <= 1.0
    for ratio in (found.transpose_ratio, found.useful_read_ratio, found.dma_any_active_ratio, found.dma_active_ratio):
        assert 0.0 <= ratio <= 1.0 + 1e-9
    assert found.hfu_ratio <= found.tensor_active_ratio + 1e-9
    for use in profile.engines.values():
        assert 0.0 <= use.active_ratio <= 1.0


@settings(max_examples=40, deadline=None)
@given(timed_programs(), st.sampled_from(NAMES))
def test_numbers_follow_their_definitions(build: Timed, target: str) -> None:
    profile, _ = placed(build, target)
    found, total = profile.metrics, profile.total_ns
    peak = profile.target["tensor.peak_bf16_tflops"] * 1e3
    bandwidth = profile.target["hbm.bandwidth_bytes_per_ns"]
    moved = found.hbm_read_bytes + found.hbm_write_bytes
    assert found.hardware_flops - found.transpose_flops == found.model_flops
    assert found.mfu_ratio == pytest.approx(found.model_flops / (total * peak))
    assert found.hfu_ratio == pytest.approx(found.hardware_flops / (total * peak))
    assert found.mbu_ratio == pytest.approx(moved / (total * bandwidth))
    assert found.arithmetic_intensity_flops_per_byte == pytest.approx(found.model_flops / moved)
    assert found.peak_intensity_flops_per_byte == pytest.approx(peak / bandwidth)
    achievable = found.arithmetic_intensity_flops_per_byte / found.peak_intensity_flops_per_byte
    assert found.mfu_max_achievable_ratio == pytest.approx(min(1.0, achievable))
    assert found.throttled_active_ratio == pytest.approx(found.slow_clock_ns / total)
    assert found.mean_transfer_bytes * found.dma_transfers == pytest.approx(found.dma_bytes)


@settings(max_examples=40, deadline=None)
@given(timed_programs())
def test_what_is_shared_out_adds_up(build: Timed) -> None:
    profile, _ = placed(build)
    found, run = profile.metrics, profile.run
    executed = int(run.counts.sum())
    for table in (profile.lines, [_Entry(one) for one in by_instruction(profile)]):
        assert sum(one.moved_bytes for one in table) == found.dma_bytes
        assert sum(one.instructions for one in table) == executed
    pool = sum(time for one in profile.lines for lane, time in one.busy_ns.items() if lane.startswith("dma"))
    assert pool == pytest.approx(run.dma_busy_ns)
    assert sum(one.length_ns for one in profile.critical_path.segments) == pytest.approx(profile.total_ns)
    assert sum(one.total_ns for one in profile.critical_path.shares) == pytest.approx(profile.total_ns)
    assert sum(one.read_bytes for one in profile.reloads) == found.hbm_read_bytes
    engines = profile.engines
    assert sum(one.dma_triggers for one in engines.values()) == engines["dma"].instructions == found.dma_transfers
    assert sum(one.instructions for one in engines.values()) == executed


class _Entry:
    def __init__(self, entry: dict) -> None:
        self.moved_bytes, self.instructions = entry["moved_bytes"], entry["executions"]
