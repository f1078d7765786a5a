"""docs/fidelity.md is what the model says now, its data are well formed, and the aims on trn2 and trn1 are met."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from benchmarks.fidelity import micro, whole
from benchmarks.fidelity.points import in_group, points
from benchmarks.fidelity.replay import replay, runs
from benchmarks.fidelity.report import QUICK, TITLES, results, section, unreached_section

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"


@pytest.mark.parametrize("group", QUICK)
def test_page_is_not_stale(group: str) -> None:
    assert section(group, results(group)) in PAGE.read_text("utf-8"), "run python -m benchmarks.fidelity"


def test_points_left_out_are_listed_with_a_reason() -> None:
    assert unreached_section() in PAGE.read_text("utf-8")
    assert all(point.note for point in in_group("unreached"))


def test_every_point_can_be_simulated_or_says_why_not() -> None:
    measures = {**micro.MEASURES, **whole.MEASURES}
    assert len({point.id for point in points()}) == len(points())
    for point in points():
        assert point.group in TITLES or point.group == "unreached"
        assert point.source and point.trust in ("A", "B") and point.published > 0
        if point.group == "replay":
            assert point.id.removeprefix("F-") in runs()
        elif point.group != "unreached":
            assert point.id in measures
    assert set(measures) <= {point.id for point in points()}


@pytest.mark.parametrize("group, limit", [("instructions", 0.03), ("dma", 0.03), ("replay", 0.03)])
def test_medians_meet_the_aims(group: str, limit: float) -> None:
    assert median(abs(result.error) for result in results(group)) < limit


@pytest.mark.parametrize("name", ["fused_fp32_s512", "fused_bf16_s512", "baseline_fp32_s512", "baseline_bf16_s512"])
def test_replays_end_within_three_percent(name: str) -> None:
    found = replay(runs()[name])
    assert abs(found.error) < 0.03
    assert median(abs(found.end_errors_ns())) < 0.03 * found.run.body_ns


@pytest.mark.parametrize("name", ["fused_fp32_s512", "fused_bf16_s512", "baseline_fp32_s512", "baseline_bf16_s512"])
def test_attention_from_source_is_within_ten_percent(name: str) -> None:
    point = next(point for point in in_group("kernels") if point.id == f"F-{name}/source")
    assert whole.MEASURES[point.id]() == pytest.approx(point.published, rel=0.10)


def test_traces_wait_only_for_earlier_instructions() -> None:
    for run in runs().values():
        for step in run.steps:
            assert all(0 <= number < step.number for number in step.waits)
            assert step.duration_ns > 0 and step.start_ns >= 0
