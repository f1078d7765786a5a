"""Profiles that the tests of the exports share: a tiled product, placed, and a program with a loop and no placement."""

from __future__ import annotations

import pytest

from nki_sim.memory.allocate import allocate
from nki_sim.profiler.profile import Profile
from nki_sim.program.dtypes import bfloat16
from nki_sim.program.ir import Program
from nki_sim.targets import load
from nki_sim.timing import simulate
from tests.timing.building import Timed, tiled_matmul


def placed(program: Program, target: str = "trn2") -> Profile:
    allocation = allocate(program, load(target))
    timeline = simulate(program, allocation.placement, load(target))
    return Profile(program, timeline, load(target), allocation=allocation)


@pytest.fixture(scope="session")
def matmul() -> Profile:
    return placed(tiled_matmul(256, 512, 1024, bfloat16).program)


@pytest.fixture(scope="session")
def looped() -> Profile:
    """Every engine but Sync computes, in a loop; nothing is placed."""
    build = Timed()
    source, result = build.input(128, 512, name="source"), build.output(128, 512, name="result")
    tile, other, weights = build.sbuf(128, 512, name="tile"), build.sbuf(128, 512), build.sbuf(128, 128)
    total = build.psum(128, 512)
    build.move(tile, source)
    build.move(weights, source.whole().replace(dims=((512, 128), (1, 128))))
    with build.loop(5):
        build.act(other, tile)
        build.product(total, weights, other)
        build.transpose(build.psum(128, 128), weights)
        build.tensor_copy(tile, total)
        build.tensor_copy(other, tile, engine="gpsimd")
    build.move(result, tile)
    return Profile(build.program, simulate(build.program, None, load("trn2")), load("trn2"))


@pytest.fixture(scope="session")
def empty() -> Profile:
    return placed(Timed().program)


@pytest.fixture(params=["matmul", "looped", "empty"])
def profile(request: pytest.FixtureRequest) -> Profile:
    found: Profile = request.getfixturevalue(request.param)
    return found
