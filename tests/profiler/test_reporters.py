"""Reporters: fixed-width text against golden files, lanes against brute force."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters import timeline
from nki_sim.profiler.words import bytes_text, percent, time_text, times_text
from nki_sim.program.dtypes import bfloat16
from nki_sim.targets import load
from nki_sim.timing import simulate
from tests.timing.building import Timed, first_fit, tiled_matmul

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def matmul() -> Profile:
    build = tiled_matmul(256, 512, 1024, bfloat16)
    return Profile(build.program, simulate(build.program, first_fit(build), load("trn2")), load("trn2"))


def text(profile: Profile, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False).print(profile)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [80, 120])
def test_report_at_fixed_width(matmul: Profile, width: int, golden: Callable[[Path, str], None]) -> None:
    found = text(matmul, width)
    assert max(map(len, found.splitlines())) <= width
    golden(GOLDEN / f"matmul_{width}.txt", found)


intervals = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30)), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(intervals, st.integers(1, 30))
def test_occupancy_is_the_union_of_intervals(found: list[tuple[int, int]], cells: int) -> None:
    start = np.array([float(s) for s, _ in found])
    end = start + np.array([float(n) for _, n in found])
    total = 120.0
    moments = np.zeros(120 * cells, bool)
    for s, n in found:
        moments[s * cells : (s + n) * cells] = True
    expected = moments.reshape(cells, 120).mean(axis=1)
    assert np.allclose(timeline.occupancy(start, end, total, cells), expected)


def test_shade_shows_anything_above_nothing() -> None:
    assert timeline.shade(np.array([0.0, 0.001, 0.25, 0.26, 0.75, 1.0])) == " ░░▒▓█"


@pytest.mark.parametrize("width", [40, 80, 81, 120, 200])
def test_lanes_fit_the_width(matmul: Profile, width: int) -> None:
    lines = [str(line) for line in timeline.render(matmul, width)]
    assert {len(line) for line in lines[:-1]} == {width}
    assert len(lines[-1]) <= width
    assert [line.split("│")[0].strip() for line in lines[:-1]] == [
        "tensor", "vector", "gpsimd", "sync", "dma load", "dma store",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "found, expected",
    [
        (time_text(873.4), "873 ns"),
        (time_text(999.97), "1 µs"),
        (time_text(999.4), "999 ns"),
        (time_text(12345), "12.35 µs"),
        (time_text(4.56e6), "4.56 ms"),
        (time_text(0), "0 ns"),
        (bytes_text(512), "512 B"),
        (bytes_text(65536), "64 KiB"),
        (bytes_text(1010 * 1024), "1010 KiB"),
        (bytes_text(268e6), "256 MiB"),
        (percent(0.834), "83 %"),
        (percent(0.0123), "1.2 %"),
        (times_text(16.0), "16 times"),
        (times_text(2.5), "2.5 times"),
    ],
)
def test_words(found: str, expected: str) -> None:
    assert found == expected


def test_empty_program_renders() -> None:
    build = Timed()
    profile = Profile(build.program, simulate(build.program, None, load("trn2")), load("trn2"))
    assert "nothing was executed" in text(profile, 80)
