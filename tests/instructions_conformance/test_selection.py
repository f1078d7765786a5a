"""iota, affine_select and tensor_copy_predicated against plain loops."""

from __future__ import annotations

import itertools
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import cast, from_float32
from tests.support.programs import Tile, run, tile
from tests.support.values import FLOATS, INTEGERS, assert_same, layouts, partitions, random_values, seeds

few = settings(settings.get_profile("conformance"))
f32 = np.float32

patterns = st.lists(st.tuples(st.integers(-40, 40), st.sampled_from([1, 2, 3, 5])), min_size=1, max_size=4).map(tuple)


def affine(rows: int, pattern: tuple[tuple[int, int], ...], offset: int, multiplier: int) -> np.ndarray:
    """[rows, elements] of the affine value, as Python integers wrapped to 32 bits."""
    out = []
    for p in range(rows):
        for index in itertools.product(*[range(count) for _, count in pattern]):
            value = offset + p * multiplier + sum(step * i for (step, _), i in zip(pattern, index, strict=True))
            out.append((value + 2**31) % 2**32 - 2**31)
    return np.array(out, np.int64).reshape(rows, -1)


@settings(few, max_examples=16)
@given(
    partitions,
    patterns,
    st.integers(-300, 300),
    st.integers(-9, 9),
    st.sampled_from([*FLOATS, d.int32, d.int16]),
    st.data(),
)
def test_iota(engine, rows, pattern, offset, multiplier, dtype, data):
    expected = affine(rows, pattern, offset, multiplier)
    dst = Tile(values=np.zeros(expected.shape, dtype.storage), dtype=dtype, layout=data.draw(layouts(rows)))
    attributes = {"pattern": pattern, "offset": offset, "channel_multiplier": multiplier}
    result = run(engine, "iota", {"dst": dst}, attributes, engine="gpsimd")
    assert_same(result["dst"], from_float32(expected.astype(f32), dtype))
    assert not result.surroundings_changed("dst")


def test_iota_is_exact_beyond_the_mantissa_of_float32_and_wraps(engine):
    attributes = {"pattern": ((1, 4),), "offset": 2**31 - 2, "channel_multiplier": 2**24 + 1}
    got = run(engine, "iota", {"dst": tile(np.zeros((3, 4)), d.int32)}, attributes, engine="gpsimd")["dst"]
    assert got.tolist() == affine(3, ((1, 4),), 2**31 - 2, 2**24 + 1).tolist()


COMPARE = {
    "equal": operator.eq, "not_equal": operator.ne, "greater": operator.gt, "greater_equal": operator.ge,
    "less": operator.lt, "less_equal": operator.le,
}  # fmt: skip


@pytest.mark.parametrize("op", sorted(COMPARE))
@settings(few, max_examples=5)
@given(
    seed=seeds,
    rows=partitions,
    pattern=patterns,
    offset=st.integers(-60, 60),
    multiplier=st.integers(-3, 3),
    data=st.data(),
)
def test_affine_select(engine, op, seed, rows, pattern, offset, multiplier, data):
    source, out = data.draw(st.sampled_from(FLOATS)), data.draw(st.sampled_from(FLOATS))
    false = data.draw(st.sampled_from([0.0, -1.5, -3.0e38, 0.1]))
    affine_value = affine(rows, pattern, offset, multiplier)
    x = random_values(seed, affine_value.shape, source)
    operands = {
        "dst": Tile(values=np.zeros(x.shape, out.storage), dtype=out, layout=data.draw(layouts(rows))),
        "on_true_tile": Tile(values=x, dtype=source, layout=data.draw(layouts(rows))),
    }
    attributes = {
        "pattern": pattern, "offset": offset, "channel_multiplier": multiplier, "on_false_value": false, "cmp_op": op,
    }  # fmt: skip
    expected = np.where(
        COMPARE[op](affine_value, 0), cast(x, source, out), from_float32(np.full(x.shape, false, f32), out)
    ).astype(out.storage)
    result = run(engine, "affine_select", operands, attributes, engine="gpsimd")
    assert_same(result["dst"], expected)
    assert not result.surroundings_changed("dst")


def test_causal_mask(engine):
    x = np.ones((32, 32), f32)
    attributes = {
        "pattern": ((-1, 32),), "offset": 0, "channel_multiplier": 1, "on_false_value": -9.0, "cmp_op": "greater_equal",
    }  # fmt: skip
    operands = {"dst": tile(np.zeros_like(x)), "on_true_tile": tile(x)}
    got = run(engine, "affine_select", operands, attributes, engine="gpsimd")["dst"]
    assert_same(got, np.where(np.tri(32, dtype=bool), f32(1), f32(-9)))


@settings(few, max_examples=16)
@given(seeds, partitions, st.sampled_from([(1,), (17,), (3, 5)]), st.data())
def test_predicated_copy_keeps_what_is_not_chosen(engine, seed, rows, free, data):
    dtype = data.draw(st.sampled_from(FLOATS + INTEGERS))
    mask_type = data.draw(st.sampled_from([d.uint8, d.uint16, d.uint32]))
    reverse = data.draw(st.booleans())
    old, new = random_values(seed, (rows, *free), dtype), random_values(seed + 1, (rows, *free), dtype)
    predicate = np.random.default_rng(seed).integers(0, 3, old.shape).astype(mask_type.storage)
    chosen = (predicate == 0) if reverse else (predicate != 0)
    scalar = data.draw(st.booleans()) and dtype.is_float
    operands = {
        "dst": Tile(values=old, dtype=dtype, layout=data.draw(layouts(rows))),
        "src": 0.3 if scalar else Tile(values=new, dtype=dtype, layout=data.draw(layouts(rows))),
        "predicate": Tile(values=predicate.reshape(rows, -1), dtype=mask_type, layout=data.draw(layouts(rows))),
    }
    result = run(engine, "tensor_copy_predicated", operands, {"reverse_pred": reverse})
    source = from_float32(np.full(old.shape, 0.3, f32), dtype) if scalar else new
    assert_same(result["dst"], np.where(chosen, source, old).astype(dtype.storage))
    assert not result.surroundings_changed("dst")
