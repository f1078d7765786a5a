"""nc_matmul and nc_transpose against float64 sums and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.instructions.matmul.reference import matmul_error_bound
from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import from_float32, to_float32
from tests.support.programs import Tile, run, tile
from tests.support.values import FLOATS, assert_close, assert_same, layouts, random_values, seeds, small_integers

few = settings(settings.get_profile("conformance"))
PAIRS = [
    (d.float32, d.float32), (d.tfloat32, d.float32), (d.tfloat32, d.tfloat32), (d.bfloat16, d.bfloat16),
    (d.float16, d.bfloat16), (d.float8_e4m3, d.bfloat16), (d.float8_e5m2, d.float8_e4m3),
]  # fmt: skip


def attributes(**changes: object) -> dict[str, object]:
    return {
        "is_stationary_onezero": False, "is_moving_onezero": False, "is_transpose": False, "accumulate": False,
        "tile_position": (), "tile_size": (), "perf_mode": "none", **changes,
    }  # fmt: skip


def matmul(engine, dst, stationary, moving, target="trn2", **changes):
    operands = {"dst": dst, "stationary": stationary, "moving": moving}
    return run(engine, "nc_matmul", operands, attributes(**changes), engine="tensor", target=target)


@settings(few, max_examples=16)
@given(seeds, st.sampled_from(PAIRS), st.sampled_from([1, 2, 31, 64, 128]), st.sampled_from([1, 3, 32, 128]), st.data())
def test_products_and_sums(engine, seed, pair, depth, rows, data):
    columns = data.draw(st.sampled_from([1, 7, 64, 129]))
    s = random_values(seed, (depth, rows), pair[0])
    m = random_values(seed + 1, (depth, columns), pair[1])
    stationary = Tile(values=s, dtype=pair[0], layout=data.draw(layouts(depth)))
    moving = Tile(values=m, dtype=pair[1], layout=data.draw(layouts(depth)))
    result = matmul(engine, tile(np.zeros((rows, columns), np.float32), space="psum", after=1), stationary, moving)
    left, right = to_float32(s), to_float32(m)
    exact = left.astype(np.float64).T @ right.astype(np.float64)
    assert_close(result["dst"], exact, matmul_error_bound(left, right), d.float32)
    assert not result.surroundings_changed("dst")


@few
@given(seeds, st.sampled_from(PAIRS), st.booleans())
def test_exact_where_sums_are_exact(engine, seed, pair, accumulate):
    s, m = small_integers(seed, (37, 3, 7), pair[0]), small_integers(seed + 1, (37, 5, 9), pair[1])
    old = small_integers(seed + 2, (21, 45), d.float32)
    result = matmul(engine, tile(old, space="psum"), tile(s, pair[0]), tile(m, pair[1]), accumulate=accumulate)
    expected = np.zeros((21, 45), np.float64) + (old if accumulate else 0)
    left, right = to_float32(s).reshape(37, -1), to_float32(m).reshape(37, -1)
    for k in range(37):
        expected += np.outer(left[k], right[k])
    assert_same(result["dst"], expected.astype(np.float32))


def test_accumulate_mask(engine):
    s, m = small_integers(1, (16, 20), d.bfloat16), small_integers(2, (16, 30), d.bfloat16)
    old = np.full((20, 30), np.nan, np.float32)
    mask = np.zeros((20, 30), np.uint8)
    mask[3:9, 10:] = 1
    old[mask == 1] = 5.0
    result = matmul(engine, tile(old, space="psum", step=2), tile(s, d.bfloat16), tile(m, d.bfloat16), accumulate=mask)
    expected = to_float32(s).T @ to_float32(m) + np.where(mask, np.float32(5), np.float32(0))
    assert_same(result["dst"], expected)


@pytest.mark.parametrize("types", [(d.float8_e4m3, d.float8_e4m3), (d.float8_e4m3, d.float8_e5m2)])
def test_double_row_contracts_over_the_pair_too(engine, types):
    s, m = small_integers(3, (40, 2, 24), types[0]), small_integers(4, (40, 2, 33), types[1])
    dst = tile(np.zeros((24, 33), np.float32), space="psum")
    result = matmul(engine, dst, tile(s, types[0]), tile(m, types[1]), perf_mode="double_row")
    expected = np.zeros((24, 33))
    for k in range(40):
        for pair in range(2):
            expected += np.outer(to_float32(s[k, pair]), to_float32(m[k, pair]))
    assert_same(result["dst"], expected.astype(np.float32))


def test_tfloat32_operands_lose_low_mantissa_bits(engine):
    # Bytes that were never rounded, read as tfloat32: 1 + 2**-20 counts as 1.
    raw = np.full((1, 1), 1 + 2.0**-20, np.float32)
    one = np.ones((1, 1), np.float32)
    dst = tile(np.zeros((1, 1), np.float32), space="psum")
    assert matmul(engine, dst, Tile(values=raw, dtype=d.tfloat32), tile(one, d.tfloat32))["dst"].item() == 1.0
    assert matmul(engine, dst, tile(raw), tile(one))["dst"].item() == raw.item()


def test_bfloat16_destination_rounds_each_step(engine):
    s, m = np.ones((1, 4), np.float32), np.full((1, 6), 1.0, np.float32)
    old = np.full((4, 6), 256.0)  # 257 is not a bfloat16
    dst = tile(old, d.bfloat16, "psum")
    result = matmul(engine, dst, tile(s, d.bfloat16), tile(m, d.bfloat16), target="trn3", accumulate=True)
    assert_same(result["dst"], from_float32(np.full((4, 6), 257.0, np.float32), d.bfloat16))


@pytest.mark.parametrize("dtype", [d.float32, d.bfloat16, d.float16])
def test_transpose_mode_keeps_bits(engine, dtype):
    bits = np.random.default_rng(0).integers(0, 256, (20, 33 * dtype.itemsize), np.uint8)
    bits[1] = 0xFF  # NaN
    data = bits.view(dtype.storage)
    identity = np.eye(20, dtype=np.float32)
    dst = tile(np.zeros((33, 20)), dtype, "psum")
    result = matmul(engine, dst, tile(data, dtype), tile(identity, dtype), is_transpose=True)
    assert result["dst"].tobytes() == np.ascontiguousarray(data.T).tobytes()


@pytest.mark.parametrize("onto", ["tensor", "vector"])
@settings(few, max_examples=6)
@given(seed=seeds, dtype=st.sampled_from([*FLOATS, d.int32, d.uint8, d.int16]), data=st.data())
def test_nc_transpose(engine, onto, seed, dtype, data):
    largest = 32 if onto == "vector" else 128
    rows = data.draw(st.sampled_from([1, 5, 32, largest]))
    free = data.draw(st.sampled_from([(1,), (9,), (2, 11), (largest,)]))
    values = random_values(seed, (rows, *free), dtype)
    flat = values.reshape(rows, -1)
    dst = tile(np.zeros(flat.T.shape), dtype, "psum" if onto == "tensor" else "sbuf", before=1)
    src = Tile(values=values, dtype=dtype, layout=data.draw(layouts(rows)))
    result = run(engine, "nc_transpose", {"dst": dst, "data": src}, {"engine": onto}, engine=onto)
    assert result["dst"].tobytes() == np.ascontiguousarray(flat.T).tobytes()
    assert not result.surroundings_changed("dst")


def test_fp8_transpose_to_sixteen_bits(engine):
    values = random_values(3, (16, 8), d.float8_e4m3)
    dst = tile(np.zeros((8, 16)), d.bfloat16, "psum")
    result = run(engine, "nc_transpose", {"dst": dst, "data": tile(values)}, {"engine": "tensor"}, engine="tensor")
    assert (result["dst"].view(np.uint16) == values.view(np.uint8).T).all()
