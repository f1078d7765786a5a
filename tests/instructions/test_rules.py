"""Rules by generation and engine: pairs of calls that differ in one thing, one legal and one not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim import targets
from nki_sim.instructions import validate
from nki_sim.instructions.table import SPECS
from nki_sim.program.access import AccessPattern, VectorOffset
from nki_sim.program.ir import Register
from tests.instructions.tiles import checked, complete, errors, tile


def psum(*shape: int, dtype: str = "float32") -> AccessPattern:
    return tile(*shape, dtype=dtype, space="psum")


def matmul(
    on: str = "trn2", k: int = 128, m: int = 64, n: int = 256, dtype: str = "bfloat16", **given: Any
) -> list[str]:
    call = {"dst": psum(m, n), "stationary": tile(k, m, dtype=dtype), "moving": tile(k, n, dtype=dtype), **given}
    return errors("nc_matmul", on, **call)


@pytest.mark.parametrize(
    ("on", "n", "legal"), [("trn1", 512, True), ("trn2", 513, False), ("trn3", 4096, True), ("trn3", 4097, False)]
)
def test_moving_size_by_generation(on: str, n: int, legal: bool) -> None:
    assert (matmul(on, n=n) == []) is legal


def test_matmul_results_by_generation() -> None:
    assert matmul("trn3", n=8192, dst=psum(64, 8192, dtype="bfloat16")) == []
    assert matmul("trn3", n=8192) != []
    assert matmul("trn2", is_transpose=True, dst=psum(64, 256, dtype="bfloat16")) == []
    assert matmul("trn1", is_transpose=True, dst=psum(64, 256, dtype="bfloat16")) != []


def test_a_matmul_stays_within_its_bank() -> None:
    banks = psum(64, 1024)
    dims = ((1, 256),)
    assert matmul(dst=banks.replace(offset=256, dims=dims)) == []
    assert matmul(dst=banks.replace(offset=512, dims=dims)) == []
    assert matmul(dst=banks.replace(offset=257, dims=dims)) == [
        "nc_matmul: dst crosses a PSUM bank boundary; on trn2 a matmul writes within one bank of 2048 bytes"
    ]
    assert matmul("trn3", dst=banks.replace(offset=257, dims=dims)) == []


@pytest.mark.parametrize("pair", [("float8_e4m3", "float8_e4m3fn"), ("float8_e4m3fn", "float8_e4m3")])
def test_the_two_e4m3_formats_do_not_mix(pair: tuple[str, str]) -> None:
    tiles = {"stationary": tile(128, 64, dtype=pair[0]), "moving": tile(128, 256, dtype=pair[1])}
    assert len(matmul("trn3", **tiles)) == 1
    assert matmul("trn3", **(tiles | {"moving": tile(128, 256, dtype=pair[0])})) == []
    assert matmul("trn3", **(tiles | {"moving": tile(128, 256, dtype="float8_e5m2")})) == []


def test_double_row() -> None:
    rows = {"stationary": tile(128, 2, 64, dtype="float8_e4m3"), "moving": tile(128, 2, 256, dtype="float8_e5m2")}
    assert matmul(**rows, perf_mode="double_row") == []
    assert matmul("trn1", **rows, perf_mode="double_row") == [
        "nc_matmul: perf_mode is double_row, which trn1 does not have"
    ]
    assert matmul(**rows, perf_mode="double_row", tile_size=(128, 64), tile_position=(0, 0)) != []
    assert matmul(**rows, perf_mode="double_row", is_transpose=True) != []
    assert matmul(perf_mode="double_row") != []


@pytest.mark.parametrize(
    ("on", "size", "position", "legal"),
    [
        ("trn2", (32, 64), (32, 64), True),
        ("trn1", (32, 64), (32, 64), False),
        ("trn1", (64, 64), (64, 0), True),
        ("trn2", (64, 64), (32, 0), False),
        ("trn2", (64, 64), (128, 0), False),
        ("trn2", (64, 64), (), False),
        ("trn2", (48, 64), (0, 0), False),
        ("trn2", (32, 32), (0, 0), False),
    ],
)
def test_array_tiles(on: str, size: tuple[int, ...], position: tuple[int, ...], legal: bool) -> None:
    assert (matmul(on, k=32, m=64, tile_size=size, tile_position=position) == []) is legal


@pytest.mark.parametrize(
    ("name", "given", "engine"),
    [
        ("tensor_copy", {"dst": tile(4, 4), "src": tile(4, 4)}, "vector"),
        ("tensor_copy", {"dst": tile(4, 4), "src": tile(4, 4), "engine": "scalar"}, "scalar"),
        ("nc_transpose", {"dst": psum(64, 128), "data": tile(128, 64)}, "tensor"),
        ("nc_transpose", {"dst": tile(32, 16), "data": tile(16, 32)}, "vector"),
        ("memset", {"dst": tile(4, 4), "value": 0}, "vector"),
        ("iota", {"dst": tile(4, 4), "pattern": ((1, 4),)}, "gpsimd"),
        ("dma_copy", {"dst": tile(4, 4), "src": tile(4, 4), "dge_mode": "hwdge", "engine": "scalar"}, "dma"),
        ("register_move", {"dst": Register(0), "src": 1}, "sync"),
        ("tensor_scalar", {"dst": tile(4, 4), "data": tile(4, 4), "op0": "rsqrt", "operand0": 0.0}, "gpsimd"),
        ("tensor_scalar", {"dst": tile(4, 4), "data": tile(4, 4), "op0": "add", "operand0": 1}, "vector"),
    ],
)
def test_the_executing_engine(name: str, given: dict[str, Any], engine: str) -> None:
    found = checked(name, **given)
    assert (found.engine, found.violations) == (engine, ())


@pytest.mark.parametrize(
    ("dtype", "space", "op", "asked", "engine"),
    [
        ("int32", "sbuf", "add", None, "gpsimd"),
        ("uint32", "sbuf", "maximum", "unknown", "gpsimd"),
        ("int32", "sbuf", "add", "vector", "vector"),
        ("int32", "psum", "add", None, "vector"),
        ("int32", "sbuf", "bitwise_xor", None, "vector"),
        ("int16", "sbuf", "add", None, "vector"),
        ("float32", "sbuf", "add", None, "vector"),
        ("float32", "sbuf", "power", None, "gpsimd"),
    ],
)
def test_tensor_tensor_engines(dtype: str, space: str, op: str, asked: str | None, engine: str) -> None:
    data = tile(8, 8, dtype=dtype)
    found = checked(
        "tensor_tensor", dst=data, data1=tile(8, 8, dtype=dtype, space=space), data2=data, op=op, engine=asked
    )
    assert (found.engine, found.violations) == (engine, ())


def test_scalar_engine_tensor_scalar_on_trn2() -> None:
    call = {"dst": tile(8, 8), "data": tile(8, 8), "operand0": 2.0, "engine": "scalar"}
    assert errors("tensor_scalar", op0="multiply", op1="add", operand1=1.0, **call) == []
    assert errors("tensor_scalar", op0="add", **call) == []
    assert len(errors("tensor_scalar", op0="maximum", **call)) == 1
    assert errors("tensor_scalar", "trn3", op0="maximum", **call) == []


def test_gathers_are_for_software_descriptors() -> None:
    table = tile(1000, 64, space="hbm")
    index = tile(128, 1, dtype="uint32")
    rows = table.replace(dims=((64, 128), (1, 64)), vector=VectorOffset(index, 64, 1000))
    assert errors("dma_copy", dst=tile(128, 64), src=rows) == []
    assert len(errors("dma_copy", dst=tile(128, 64), src=rows, dge_mode="hwdge")) == 1
    floats = rows.replace(vector=VectorOffset(tile(128, 1), 64, 1000))
    assert errors("dma_copy", dst=tile(128, 64), src=floats) == [
        "dma_copy: src is gathered by an index tile that is not int32 or uint32"
    ]


def test_element_counts_agree_not_ranks() -> None:
    assert errors("tensor_copy", dst=tile(128, 4, 8), src=tile(128, 32)) == []
    assert errors("dma_copy", dst=tile(16, 32), src=tile(512, space="hbm")) == []
    assert errors("nc_transpose", dst=psum(64, 32), data=tile(32, 8, 8)) == []
    assert errors("activation", dst=tile(8, 2, 2), data=tile(8, 4), op="exp", scale=tile(8, 1, 1)) == []


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 127), count=st.integers(1, 128), step=st.integers(1, 3))
def test_start_partitions_against_the_table(start: int, count: int, step: int) -> None:
    allowed = (0,) if count > 64 else (0, 64) if count > 32 else (0, 32, 64, 96)
    legal = start in allowed and (step == 1 or count == 1)
    src = tile(128, 4).replace(partition=(start, step, count))
    assert (errors("tensor_copy", dst=tile(count, 4), src=src) == []) is legal


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.one_of(st.integers(), st.text(max_size=2), st.lists(st.integers(), max_size=3)), max_size=5),
    st.dictionaries(st.integers(), st.integers(), max_size=2),
    st.sampled_from(
        (object(), Register(3), tile(3), tile(3, 4, 5), tile(0, 4), tile(7, 9, space="hbm"), psum(2, 2), int)
    ),
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_value_makes_the_check_raise(data: st.DataObject) -> None:
    spec = SPECS[data.draw(st.sampled_from(sorted(SPECS)))]
    target = targets.load(data.draw(st.sampled_from(targets.NAMES)))
    operands = {o.name: data.draw(STRANGE) for o in spec.operands}
    attributes = {a.name: data.draw(STRANGE) for a in spec.attributes}
    found = validate.check(spec, operands, attributes, target)
    assert found.engine or spec.has_engine
    assert validate.check_cached(spec, operands, attributes, target) == found


def test_the_memo_tells_calls_apart() -> None:
    """Everything a check looks at is in the signature."""
    spec, target = SPECS["tensor_copy"], targets.load("trn2")
    variants = [
        {"dst": tile(16, 8), "src": tile(16, 8)},
        {"dst": tile(16, 8), "src": tile(16, 4)},
        {"dst": tile(16, 8), "src": tile(16, 8, dtype="int8")},
        {"dst": tile(16, 8), "src": psum(16, 8)},
        {"dst": tile(16, 8), "src": tile(16, 8, address=(16, 0))},
        {"dst": tile(16, 8), "src": tile(16, 8).replace(partition=(0, 2, 16))},
        {"dst": tile(16, 8), "src": 1.0},
        {"dst": tile(16, 8), "src": tile(16, 8), "engine": "gpsimd"},
    ]
    calls = [complete("tensor_copy", given) for given in variants]
    keys = {validate.signature(spec, *call, target) for call in calls}
    assert len(keys) == len(variants)
    assert validate.signature(spec, *calls[0], target) == validate.signature(
        spec, *complete("tensor_copy", {"dst": tile(16, 8), "src": tile(16, 8)}), target
    )
