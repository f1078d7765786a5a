"""Single instructions on trn2 against the intervals and durations of the published profiles (perf_notes, table a1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nki_sim.program.dtypes import DType, bfloat16, float32
from nki_sim.targets import load
from nki_sim.timing import simulate
from tests.timing.building import Timed

WARM = 400


def matmul(columns: int, dtype: DType) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        build.product(
            build.psum(128, columns), build.sbuf(128, 128, dtype=dtype), build.sbuf(128, columns, dtype=dtype)
        )

    return issue


def transpose(build: Timed) -> None:
    build.transpose(build.psum(128, 128), build.sbuf(128, 128))


def exponential(space: str) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        build.act(build.sbuf(128, 512), build.tensor(space, (128, 512)), bias=build.sbuf(128, 1))

    return issue


def copy(engine: str, columns: int) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        build.tensor_copy(build.sbuf(128, columns), build.psum(128, columns), engine)

    return issue


def scaled(space: str, columns: int) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        build.by_vector(build.sbuf(128, columns), build.tensor(space, (128, columns)), build.sbuf(128, 1))

    return issue


def reduced(build: Timed) -> None:
    build.reduce(build.sbuf(128, 1), build.sbuf(128, 512))


def reduced_pairs(build: Timed) -> None:
    build.reduce(build.sbuf(128, 1), build.sbuf(128, 4))


def reciprocal(columns: int) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        build.reciprocal(build.sbuf(128, columns), build.sbuf(128, columns))

    return issue


# name, instruction, lane, repetitions, interval ns, duration ns, tolerance
TABLE = [
    ("matmul bf16 512", matmul(512, bfloat16), "tensor", WARM, 215.5, 379, 0.01),
    ("matmul bf16 128", matmul(128, bfloat16), "tensor", WARM, 56, 219, 0.02),
    ("matmul fp32 512", matmul(512, float32), "tensor", WARM, 428.5, 591, 0.01),
    ("matmul fp32 128", matmul(128, float32), "tensor", WARM, 111.5, 274, 0.03),
    ("transpose fp32 128", transpose, "tensor", WARM, 108, 272, 0.02),
    ("cold matmul bf16 512", matmul(512, bfloat16), "tensor", 5, 427, 630, 0.01),
    ("cold matmul bf16 128", matmul(128, bfloat16), "tensor", 10, 107, 310, 0.01),
    ("cold matmul fp32 512", matmul(512, float32), "tensor", 1, 853, 1060, 0.01),
    ("cold matmul fp32 128", matmul(128, float32), "tensor", 5, 213.5, 420, 0.01),
    ("exp from PSUM", exponential("psum"), "scalar", 5, 570, 685, 0.02),
    ("exp from SBUF", exponential("sbuf"), "scalar", 5, 612, 706, 0.02),
    ("scalar copy 512", copy("scalar", 512), "scalar", 5, 476, 585, 0.02),
    ("scalar copy 128", copy("scalar", 128), "scalar", 5, 156, 265, 0.03),
    ("vector copy 512", copy("vector", 512), "vector", 5, 602, 690, 0.02),
    ("vector copy 128", copy("vector", 128), "vector", 5, None, 291, 0.02),
    ("vector reduce 512", reduced, "vector", 5, 598, 682, 0.02),
    ("vector reduce 4", reduced_pairs, "vector", 5, None, 157, 0.03),
    ("vector reciprocal 4", reciprocal(4), "vector", 5, None, 175, 0.06),
    ("vector reciprocal 8", reciprocal(8), "vector", 5, None, 202, 0.09),
    ("scale 512 from SBUF", scaled("sbuf", 512), "vector", 5, 396, 481, 0.02),
    ("scale 128 from PSUM", scaled("psum", 128), "vector", 5, 268, 349, 0.03),
]


@pytest.mark.parametrize("name, issue, lane, count, interval, duration, tolerance", TABLE, ids=[t[0] for t in TABLE])
def test_interval_and_duration(
    name: str,
    issue: Callable[[Timed], None],
    lane: str,
    count: int,
    interval: float | None,
    duration: float,
    tolerance: float,
) -> None:
    build = Timed()
    for _ in range(count):
        issue(build)
    rows = simulate(build.program, None, load("trn2")).lane(lane)
    rows = rows[rows["kind"] != 5][-max(2, count // 4) :]
    assert np.median(rows["end_ns"] - rows["start_ns"]) == pytest.approx(duration, rel=tolerance)
    if interval is not None:
        assert np.median(np.diff(rows["start_ns"])) == pytest.approx(interval, rel=tolerance)


def test_isolated_transpose_shows_its_weight_load() -> None:
    """Warm the clock, wait for a long copy, transpose: weight load + matmul take 334 ns."""
    build = Timed()
    for _ in range(100):
        matmul(512, bfloat16)(build)
    seed = build.psum(128, 512)
    build.product(seed, build.sbuf(128, 128, dtype=bfloat16), build.sbuf(128, 512, dtype=bfloat16))
    late = build.sbuf(128, 512)
    build.tensor_copy(late, seed)
    build.transpose(build.psum(128, 128), part_of(late))
    row = simulate(build.program, None, load("trn2")).lane("tensor")[-1]
    assert row["end_ns"] - row["load_start_ns"] == pytest.approx(334, rel=0.03)


def part_of(tensor: object) -> object:
    from tests.support.ir import part

    return part(tensor, None, slice(0, 128))


def test_table_is_loaded_once_per_change_of_function() -> None:
    build = Timed()
    data = build.sbuf(128, 512)
    for function in ("exp", "exp", "copy", "exp", "tanh", "exp"):
        build.act(build.sbuf(128, 512), data, function)
    rows = simulate(build.program, None, load("trn2")).lane("scalar")
    loads = rows[rows["kind"] == 5]
    assert list(loads["instruction"]) == [0, 4, 5]
    assert np.allclose(loads["end_ns"] - loads["start_ns"], 1283)


def test_trn1_vector_and_scalar_figures() -> None:
    """nki_perf_guide.rst: tensor_tensor fp32 [128, 8192] 14,987 ns; dependent one-element activations every 189 ns."""
    build = Timed("trn1")
    one, other = build.sbuf(128, 8192), build.sbuf(128, 8192)
    build.add("tensor_tensor", "vector", {"dst": build.sbuf(128, 8192), "data1": one, "data2": other}, op="add")
    chain = build.sbuf(128, 1)
    for _ in range(4):
        build.act(chain, chain, "copy")
    timeline = simulate(build.program, None, load("trn1"))
    row = timeline.lane("vector")[0]
    assert row["end_ns"] - row["start_ns"] == pytest.approx(14987, rel=0.01)
    scalar = timeline.lane("scalar")
    assert np.diff(scalar["start_ns"]) == pytest.approx([189] * 3, rel=0.02)
