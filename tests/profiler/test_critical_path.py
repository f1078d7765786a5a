"""The critical path: an unbroken chain as long as the run, explained everywhere, and the one that plainly counts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings

from nki_sim.profiler.critical_path import BUSY, SIGNAL, UNEXPLAINED, find_critical_path
from nki_sim.profiler.profile import Profile
from nki_sim.program.dtypes import bfloat16
from nki_sim.targets import load
from nki_sim.timing import simulate
from tests.profiler.programs import placed, timed_programs
from tests.support.ir import part
from tests.timing.building import Timed, first_fit, tiled_matmul


def check(profile: Profile) -> None:
    path = profile.critical_path
    edges = [(one.start_ns, one.end_ns) for one in path.segments]
    assert all(start < end for start, end in edges)
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert sum(one.length_ns for one in path.segments) == pytest.approx(profile.total_ns)
    assert sum(one.total_ns for one in path.shares) == pytest.approx(profile.total_ns)
    assert sum(path.by_cause().values()) == pytest.approx(profile.total_ns)
    if path.segments:
        assert (edges[0][0], edges[-1][1]) == (0.0, profile.total_ns)
    unexplained = [one for one in path.segments if one.cause == UNEXPLAINED]
    assert not unexplained
    rows = profile.timeline
    for one in path.segments:
        if one.cause == BUSY:
            # Work on the path is work in the timeline: the lane does it just then.
            assert rows["start_ns"][one.row] <= one.start_ns
            assert one.end_ns <= rows["issue_end_ns"][one.row]


@settings(max_examples=60, deadline=None)
@given(timed_programs())
def test_the_path_is_as_long_as_the_run_and_explained_everywhere(build: Timed) -> None:
    check(placed(build)[0])


@pytest.mark.parametrize("target", ["trn1", "trn2", "trn3"])
def test_so_it_is_for_a_matmul(target: str) -> None:
    build = tiled_matmul(256, 512, 1024, bfloat16, target)
    check(Profile(build.program, simulate(build.program, first_fit(build), load(target)), load(target)))


def test_a_loop_is_walked_pass_by_pass() -> None:
    build = Timed()
    one, other = build.sbuf(128, 512), build.sbuf(128, 512)
    with build.loop(20):
        build.act(other, one, "copy")
        build.by_vector(one, other, 2.0)
    profile, _ = placed(build)
    path = profile.critical_path
    assert sum(one.length_ns for one in path.segments) == pytest.approx(profile.total_ns)
    assert sum(share.count for share in path.shares if share.cause == BUSY) == 40


def test_work_that_hides_behind_longer_work_is_not_on_it() -> None:
    build = Timed()
    long, short = build.sbuf(128, 8192), build.sbuf(128, 64)
    build.reciprocal(long, long)
    for _ in range(5):
        build.act(short, short, "copy")
    profile, _ = placed(build)
    assert {one.lane for one in profile.critical_path.segments} == {"vector"}


def test_a_chain_between_engines_shows_its_signals() -> None:
    build = Timed()
    one, other = build.sbuf(128, 64), build.sbuf(128, 64)
    for _ in range(10):
        build.act(other, one, "copy")
        build.by_vector(one, other, 2.0)
    profile, _ = placed(build)
    path = profile.critical_path
    signals = [one for one in path.segments if one.cause == SIGNAL]
    assert len(signals) == 19
    assert [one.length_ns for one in signals] == pytest.approx([load("trn2")["semaphore.engine_ns"]] * 19)


def test_a_load_shows_its_trigger_and_its_latency() -> None:
    build = Timed()
    source, tile = build.input(128, 512), build.sbuf(128, 512)
    build.move(tile, part(source))
    build.by_vector(tile, tile, 2.0)
    profile, _ = placed(build)
    assert [(one.lane, one.cause) for one in profile.critical_path.segments] == [
        ("sync", "busy"),
        ("dma load", "first packet"),
        ("dma load", "busy"),
        ("dma load", "drain"),
        ("vector", "signal"),
        ("vector", "busy"),
        ("vector", "drain"),
    ]


def test_an_empty_run_has_an_empty_path() -> None:
    path = find_critical_path(placed(Timed())[0].run)
    assert (list(path.segments), list(path.shares), path.by_cause()) == ([], [], {})
