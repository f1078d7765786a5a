"""GpSimd: its start-up, once for every instruction, whether the formula names it or not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.targets import load
from nki_sim.timing import simulate
from tests.timing.building import Timed


def interval_ns(op: str, columns: int, target: str = "trn2", engine: str = "gpsimd") -> float:
    build = Timed(target)
    tile, other = build.sbuf(128, columns), build.sbuf(128, columns)
    for _ in range(3):
        if op == "iota":
            build.add("iota", engine, {"dst": tile}, pattern=((1, columns),), offset=0, channel_multiplier=1)
        elif op == "memset":
            build.add("memset", engine, {"dst": tile}, value=1.0, engine=engine)
        elif op == "tensor_copy":
            build.tensor_copy(tile, other, engine)
        else:
            build.add("tensor_tensor", engine, {"dst": tile, "data1": other, "data2": other}, op=op, engine=engine)
    rows = simulate(build.program, None, load(target)).lane(engine)
    return float(rows["issue_end_ns"][0] - rows["start_ns"][0])


@pytest.mark.parametrize("target", ["trn1", "trn2", "trn3"])
@pytest.mark.parametrize("op", ["iota", "memset", "tensor_copy"])
@pytest.mark.parametrize("columns", [1, 512, 4096])
def test_start_up_is_charged_once(target: str, op: str, columns: int) -> None:
    clock = load(target)["gpsimd.clock_ghz"]
    # Only GpSimd has iota, with its own documented cycles; the rate of the others is Vector's.
    rate = clock if op == "iota" else min(clock, load(target)["vector.clock_ghz"])
    assert interval_ns(op, columns, target) == pytest.approx(150 / clock + columns / rate)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 8192), st.sampled_from(["memset", "tensor_copy", "add", "divide"]),
    st.sampled_from(["trn1", "trn2", "trn3"]),
)  # fmt: skip
def test_gpsimd_is_no_faster_than_vector(columns: int, op: str, target: str) -> None:
    """Of what both can do no document gives GpSimd's rate; it is assumed not to beat Vector without its modes."""
    assert interval_ns(op, columns, target) > interval_ns(op, columns, target, engine="vector")
