"""Random programs for the profiler's property tests: loads, stores and work on all engines over few, reused tiles."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from nki_sim.engines import reference
from nki_sim.memory.allocate import Allocation, allocate
from nki_sim.profiler.profile import Profile
from nki_sim.program.dtypes import bfloat16, float32
from nki_sim.program.ir import Program
from nki_sim.targets import load
from nki_sim.timing import simulate
from tests.support.ir import part
from tests.timing.building import Timed

STEPS = ("load", "load", "product", "copy", "act", "scale", "transpose", "store")


@st.composite
def timed_programs(draw: st.DrawFn, most: int = 40) -> Timed:
    """Every tile is written before it is read; HBM is read from one tensor and written to another."""
    build = Timed()
    dtype = draw(st.sampled_from([float32, bfloat16]))
    source, result = build.input(512, 512, dtype=dtype, name="source"), build.output(512, 512, dtype=dtype)
    tiles = [build.sbuf(128, 128, dtype=dtype) for _ in range(draw(st.integers(1, 4)))]
    banks = [build.psum(128, 128, dtype=float32) for _ in range(draw(st.integers(1, 2)))]
    turned = build.psum(128, 128, dtype=dtype)
    index = st.integers(0, 3)

    def tile() -> object:
        return tiles[draw(index) % len(tiles)]

    for one in tiles:
        build.move(one, part(source, slice(0, 128), slice(0, 128)))
    for step in draw(st.lists(st.sampled_from(STEPS), max_size=most)):
        rows, columns = (slice(128 * n, 128 * n + 128) for n in (draw(index), draw(index)))
        bank = banks[draw(index) % len(banks)]
        if step == "load":
            build.move(tile(), part(source, rows, columns), mode=draw(st.sampled_from(["unknown", "swdge"])))
        elif step == "product":
            build.product(bank, tile(), tile())
            build.tensor_copy(tile(), bank, engine=draw(st.sampled_from(["vector", "scalar"])))
        elif step == "copy":
            build.tensor_copy(tile(), tile(), engine=draw(st.sampled_from(["vector", "scalar", "gpsimd"])))
        elif step == "act":
            build.act(tile(), tile(), draw(st.sampled_from(["exp", "tanh", "square"])))
        elif step == "scale":
            build.by_vector(tile(), tile(), 2.0)
        elif step == "transpose":
            build.transpose(turned, tile())
            build.tensor_copy(tile(), turned)
        else:
            build.move(part(result, rows, columns), tile())
    return build


def placed(build: Timed, target: str = "trn2") -> tuple[Profile, Allocation]:
    """The profile of a program whose tensors the allocator placed, and where."""
    chosen = load(target)
    allocation = allocate(build.program, chosen)
    timeline = simulate(build.program, allocation.placement, chosen)
    return Profile(build.program, timeline, chosen, allocation=allocation), allocation


def values(program: Program) -> list[bytes]:
    """The outputs, bit for bit, on fixed inputs; HBM that nothing writes reads as zeros."""
    target = load("trn2")
    placement = allocate(program, target).placement
    rng = np.random.default_rng(1)
    hbm = {
        one.index: rng.standard_normal(one.shape).astype(one.dtype.storage)
        if one.role == "input"
        else np.zeros(one.shape, one.dtype.storage)
        for one in program.tensors
        if one.space == "hbm"
    }
    with np.errstate(all="ignore"):
        reference.prepare(program, placement, target)(hbm, lambda _: None)
    return [hbm[one.index].tobytes() for one in program.outputs]
