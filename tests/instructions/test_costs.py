"""Costs against the published formulas, written out by hand, at several sizes."""

from __future__ import annotations

from typing import Any

import pytest

from nki_sim import targets
from nki_sim.instructions.evaluate import Cost, cost
from nki_sim.instructions.table import SPECS
from tests.instructions.tiles import instruction, tile

SIZES = (1, 16, 64, 128, 300, 512)


def cycles(name: str, on: str = "trn2", part: str = "", **given: Any) -> float:
    return measured(name, on, part, **given).cycles


def measured(name: str, on: str = "trn2", part: str = "", **given: Any) -> Cost:
    return cost(SPECS[name], instruction(name, on, **given), targets.load(on), part)


def psum(*shape: int, dtype: str = "float32") -> Any:
    return tile(*shape, dtype=dtype, space="psum")


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("on", ["trn1", "trn2", "trn3"])
def test_formulas_of_one_size(n: int, on: str) -> None:
    data = tile(128, n)
    assert cycles("reciprocal", on, dst=data, data=data) == max(64, 8 * n)
    assert cycles("activation", on, dst=data, data=data, op="exp") == max(64, n)
    assert cycles("activation_reduce", on, dst=data, data=data, op="exp", reduce_op="add", reduce_res=tile(128, 1)) == (
        max(64, n) + 64
    )
    assert cycles("bn_stats", on, dst=tile(128, 6), data=data) == max(64, n)
    assert cycles("bn_aggr", on, dst=tile(128, 2), data=tile(128, 3 * n)) == max(64, 13 * n)
    assert cycles("iota", on, dst=data, pattern=((1, n),)) == 150 + n
    select = {"pattern": ((1, n),), "channel_multiplier": 1, "on_true_tile": data, "on_false_value": 0.0}
    assert cycles("affine_select", on, dst=data, **select) == 150 + n
    scan = {"data0": data, "data1": data, "initial": 0.0, "op0": "multiply", "op1": "add"}
    assert cycles("tensor_tensor_scan", on, dst=data, **scan) == max(64, 2 * n)
    assert cycles("nc_stream_shuffle", on, dst=data, src=data, shuffle_mask=(0,) * 32) == max(64, n)
    assert cycles("tensor_reduce", on, dst=tile(128, 1), data=data, op="add", axis=(1,)) == max(64, n)
    assert cycles("memset", on, dst=data, value=1.0) == max(64, n)
    assert cycles("memset", on, dst=tile(128, n, dtype="bfloat16"), value=0) == max(64, n / 2)
    mask = tile(128, n, dtype="uint8")
    assert cycles("tensor_copy_predicated", on, dst=data, src=data, predicate=mask) == max(64, 2 * n)
    assert cycles("tensor_copy_predicated", on, dst=data, src=psum(128, n), predicate=mask) == max(64, n)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    ("on", "src", "dst", "rate"),
    [
        ("trn1", tile, tile, 1),
        ("trn2", tile, tile, 4),
        ("trn2", psum, tile, 2),
        ("trn2", psum, psum, 1),
        ("trn3", tile, psum, 2),
    ],
)
def test_tensor_copy_modes(n: int, on: str, src: Any, dst: Any, rate: int) -> None:
    source, target = src(128, n, dtype="bfloat16"), dst(128, n, dtype="float16")
    assert cycles("tensor_copy", on, dst=target, src=source) == max(64, n / rate)
    scaled = cycles("tensor_scalar", on, dst=target, data=source, op0="multiply", operand0=2.0, op1="add", operand1=1.0)
    assert scaled == max(64, n / rate)


def test_strided_copies_run_at_half_the_rate() -> None:
    wide = tile(128, 1024, dtype="bfloat16").replace(dims=((2, 512),))
    assert cycles("tensor_copy", dst=tile(128, 512, dtype="bfloat16"), src=wide) == 256
    assert cycles("tensor_copy", dst=tile(128, 512), src=tile(128, 1024).replace(dims=((2, 512),))) == 512


@pytest.mark.parametrize("n", SIZES)
def test_tensor_tensor(n: int) -> None:
    wide, narrow = tile(128, n), tile(128, n, dtype="bfloat16")
    assert cycles("tensor_tensor", dst=wide, data1=wide, data2=wide, op="add") == max(64, 2 * n)
    assert cycles("tensor_tensor", dst=wide, data1=wide, data2=psum(128, n), op="add") == max(64, n)
    assert cycles("tensor_tensor", dst=narrow, data1=narrow, data2=narrow, op="maximum") == max(64, n)
    assert cycles("tensor_tensor", "trn1", dst=narrow, data1=narrow, data2=narrow, op="maximum") == max(64, 2 * n)
    assert cycles("tensor_tensor", "trn1", dst=narrow, data1=narrow, data2=narrow, op="multiply") == max(64, n)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("dtype", "passes"), [("bfloat16", 1), ("float16", 1), ("float8_e5m2", 1), ("float32", 4)])
def test_matmul(n: int, dtype: str, passes: int) -> None:
    call = {"dst": psum(128, n), "stationary": tile(128, 128, dtype=dtype), "moving": tile(128, n, dtype=dtype)}
    assert cycles("nc_matmul", **call) == max(n, 64) * passes
    assert cycles("nc_matmul", part="weight_load", **call) == 32 * passes
    hinted = max(n, 64) * (2 if passes == 4 else 1)
    assert cycles("nc_matmul", is_moving_onezero=True, **call) == hinted


def test_double_row_costs_as_much_as_bfloat16() -> None:
    call = {"stationary": tile(128, 2, 64, dtype="float8_e4m3"), "moving": tile(128, 2, 300, dtype="float8_e4m3")}
    assert cycles("nc_matmul", dst=psum(64, 300), perf_mode="double_row", **call) == 300


def test_transposes() -> None:
    assert cycles("nc_transpose", dst=psum(64, 128, dtype="bfloat16"), data=tile(128, 64, dtype="bfloat16")) == 128
    assert cycles("nc_transpose", dst=psum(128, 16, dtype="bfloat16"), data=tile(16, 128, dtype="bfloat16")) == 64
    assert cycles("nc_transpose", "trn1", dst=psum(64, 128), data=tile(128, 64)) == 4 * 128
    assert cycles("nc_transpose", "trn2", dst=psum(64, 128), data=tile(128, 64)) == 2 * 128
    assert cycles("nc_transpose", dst=tile(32, 32), data=tile(32, 32)) == 64


def test_a_cost_says_where_it_comes_from() -> None:
    found = measured("tensor_copy", "trn2", dst=tile(128, 512), src=psum(128, 512))
    assert found == Cost(
        cycles=512.0,
        formula="max(MIN_II, F)",
        inputs={"F": 512},
        citation="nki.isa.tensor_copy, documents up to 2.26",
    )
    assert measured("tensor_partition_reduce", dst=tile(1, 8), data=tile(128, 8), op="add").citation.startswith(
        "assumed: "
    )
    assert measured("dma_copy", dst=tile(128, 8), src=tile(128, 8)).formula == ""


def test_rsqrt_on_gpsimd_runs_at_a_quarter() -> None:
    call = {"dst": tile(128, 512), "data": tile(128, 512), "op0": "rsqrt", "operand0": 0.0}
    assert cycles("tensor_scalar", **call) == 4 * 512
