"""tensor_reduce, tensor_partition_reduce, bn_stats and bn_aggr against plain loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import from_float32, to_float32
from tests.support.programs import Tile, run, run_sequence, tile
from tests.support.values import (
    FLOATS,
    INTEGERS,
    assert_close,
    assert_same,
    layouts,
    partitions,
    random_values,
    seeds,
    small_integers,
)

few = settings(settings.get_profile("conformance"))
f32 = np.float32
WIDE = (d.float32, d.bfloat16, d.float16)


def groups(values: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    """[..., n]: the elements that a reduction over the trailing `axis` takes together, in order."""
    kept = values.shape[: values.ndim - len(axis)]
    return values.reshape(*kept, -1)


@settings(few, max_examples=16)
@given(seeds, partitions, st.sampled_from([(1,), (6,), (3, 5), (2, 3, 7), (65,)]), st.sampled_from(WIDE), st.data())
def test_sums(engine, seed, rows, free, out, data):
    dtype = data.draw(st.sampled_from(FLOATS))
    x = random_values(seed, (rows, *free), dtype)
    reduced = data.draw(st.integers(1, len(free)))
    axis = tuple(range(x.ndim - reduced, x.ndim))
    keepdims, negate = data.draw(st.booleans()), data.draw(st.booleans())
    kept = x.shape[: x.ndim - reduced]
    shape = (*kept, *[1] * reduced) if keepdims or len(kept) == 1 else kept
    dst = Tile(values=np.zeros(shape, out.storage), dtype=out, layout=data.draw(layouts(rows)))
    operands = {"dst": dst, "data": Tile(values=x, dtype=dtype, layout=data.draw(layouts(rows)))}
    result = run(engine, "tensor_reduce", operands, {"op": "add", "axis": axis, "negate": negate, "keepdims": keepdims})
    parts = groups(to_float32(x).astype(np.float64), axis)
    exact = np.empty(parts.shape[:-1])
    bound = np.empty(parts.shape[:-1])
    for place in np.ndindex(exact.shape):
        exact[place] = math.fsum(parts[place]) * (-1 if negate else 1)
        bound[place] = parts.shape[-1] * 2.0**-24 * math.fsum(abs(v) for v in parts[place])
    assert_close(result["dst"], exact, bound * 1.01, out)
    assert not result.surroundings_changed("dst")


LOOPS = {
    "add": lambda v: sum(v),
    "subtract": lambda v: v[0] - sum(v[1:]),
    "multiply": lambda v: math.prod(v),
    "maximum": max,
    "minimum": min,
    "logical_and": lambda v: float(all(x != 0 for x in v)),
    "logical_or": lambda v: float(any(x != 0 for x in v)),
    "logical_xor": lambda v: float(sum(x != 0 for x in v) % 2),
}


@pytest.mark.parametrize("op", sorted(LOOPS))
@settings(few, max_examples=4)
@given(seed=seeds, rows=partitions, dtype=st.sampled_from([*FLOATS, d.int32, d.uint8]), negate=st.booleans())
def test_every_operator_exactly(engine, op, seed, rows, dtype, negate):
    # Small integers: every order of every operator gives the same float32.
    x = small_integers(seed, (rows, 3, 4), dtype)
    operands = {"dst": tile(np.zeros((rows, 3), f32)), "data": tile(x, dtype, step=2)}
    result = run(engine, "tensor_reduce", operands, {"op": op, "axis": (2,), "negate": negate, "keepdims": False})
    expected = np.empty((rows, 3), f32)
    for place in np.ndindex(expected.shape):
        expected[place] = LOOPS[op]([float(v) for v in x[place]])
    expected = -expected if negate else expected
    # The sign of a zero sum is a matter of order; + 0 takes it away.
    assert_same(result["dst"] + f32(0), expected + f32(0))


@few
@given(seeds, st.sampled_from(["maximum", "minimum"]), st.sampled_from(FLOATS + INTEGERS), st.sampled_from(FLOATS))
def test_extremes_pick_an_element(engine, seed, op, dtype, out):
    x = random_values(seed, (33, 2, 19), dtype)
    operands = {"dst": tile(np.zeros((33, 1)), out), "data": tile(x, dtype, before=1)}
    result = run(engine, "tensor_reduce", operands, {"op": op, "axis": (1, 2), "negate": False, "keepdims": False})
    pick = max if op == "maximum" else min
    expected = np.array([[pick(float(v) for v in row.reshape(-1))] for row in to_float32(x)], f32)
    assert_same(result["dst"], from_float32(expected, out))


def test_nan_wins_an_extreme(engine):
    x = np.array([[1.0, np.nan, 3.0], [-np.inf, 0.0, np.inf]], f32)
    for op, expected in (("maximum", [np.nan, np.inf]), ("minimum", [np.nan, -np.inf])):
        operands = {"dst": tile(np.zeros((2, 1), f32)), "data": tile(x)}
        result = run(engine, "tensor_reduce", operands, {"op": op, "axis": (1,), "negate": False, "keepdims": False})
        assert_same(result["dst"], np.array(expected, f32).reshape(2, 1))


@few
@given(seeds, st.sampled_from(["bitwise_and", "bitwise_or", "bitwise_xor"]), st.sampled_from(INTEGERS))
def test_bit_patterns(engine, seed, op, dtype):
    x = random_values(seed, (7, 2, 5), dtype)
    operands = {"dst": tile(np.zeros((7, 2)), dtype), "data": tile(x, dtype)}
    result = run(engine, "tensor_reduce", operands, {"op": op, "axis": (2,), "negate": False, "keepdims": False})
    expected = x[:, :, 0].copy()
    for i in range(1, 5):
        expected = getattr(np, op)(expected, x[:, :, i])
    assert_same(result["dst"], expected)


@pytest.mark.parametrize("op", ["add", "average", "maximum", "bitwise_or", "bitwise_and"])
@settings(few, max_examples=5)
@given(seed=seeds, rows=partitions, free=st.sampled_from([(1,), (17,), (3, 4)]))
def test_across_partitions(engine, op, seed, rows, free):
    dtype = d.int32 if op.startswith("bitwise") else d.float32
    x = random_values(seed, (rows, *free), dtype)
    operands = {"dst": tile(np.zeros((1, *free)), dtype), "data": tile(x, dtype, step=2, before=1)}
    result = run(engine, "tensor_partition_reduce", operands, {"op": op}, engine="gpsimd")
    if op in ("add", "average"):
        exact = np.array([math.fsum(float(v) for v in column) for column in x.reshape(rows, -1).T])
        bound = rows * 2.0**-24 * np.abs(x.astype(np.float64)).sum(axis=0).reshape(-1) * 1.01
        share = rows if op == "average" else 1
        assert_close(result["dst"], exact / share, (bound + 2.0**-23 * np.abs(exact)) / share, d.float32)
        return
    expected = x[0].copy()
    for row in x[1:]:
        expected = np.maximum(expected, row) if op == "maximum" else getattr(np, op)(expected, row)
    assert_same(result["dst"].reshape(free), expected)


@settings(few, max_examples=12)
@given(seeds, partitions, st.sampled_from([(1,), (2,), (7,), (3, 5), (64,)]), st.sampled_from(WIDE))
def test_bn_stats(engine, seed, rows, free, dtype):
    x = random_values(seed, (rows, *free), dtype)
    operands = {"dst": tile(np.zeros((rows, 6), f32)), "data": tile(x, dtype)}
    got = run(engine, "bn_stats", operands, {})["dst"]
    flat = to_float32(x).astype(np.float64).reshape(rows, -1)
    for first in (0, 1):
        part = flat[:, first::2]
        count, mean, scatter = got[:, 3 * first], got[:, 3 * first + 1], got[:, 3 * first + 2]
        assert (count == part.shape[1]).all()
        if part.shape[1] == 0:
            assert (mean == 0).all() and (scatter == 0).all()
            continue
        size = np.abs(part).max(axis=1)
        assert (np.abs(mean - part.mean(axis=1)) <= 2.0**-22 * part.shape[1] * size + 1e-30).all()
        exact = ((part - part.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        assert (np.abs(scatter - exact) <= 2.0**-21 * part.shape[1] * (part**2).sum(axis=1) + 1e-30).all()


@few
@given(seeds, st.sampled_from([1, 33, 128]), st.lists(st.sampled_from([1, 2, 7, 30]), min_size=1, max_size=4))
def test_bn_aggr_gives_the_moments_of_all_elements(engine, seed, rows, sizes):
    tuples, everything = [], []
    for number, size in enumerate(sizes):
        x = random_values(seed + number, (rows, size), d.float32).astype(np.float64)
        everything.append(x)
        for part in (x[:, 0::2], x[:, 1::2]):
            mean = part.mean(axis=1) if part.shape[1] else np.zeros(rows)
            tuples += [np.full(rows, part.shape[1]), mean, ((part - mean[:, None]) ** 2).sum(axis=1)]
    whole = np.concatenate(everything, axis=1)
    operands = {"dst": tile(np.zeros((rows, 2), f32)), "data": tile(np.stack(tuples, axis=1).astype(f32))}
    got = run(engine, "bn_aggr", operands, {})["dst"]
    size = np.abs(whole).max() + 1e-30
    assert np.abs(got[:, 0] - whole.mean(axis=1)).max() <= 1e-5 * size
    assert np.abs(got[:, 1] - whole.var(axis=1)).max() <= 1e-5 * size**2


def test_stats_then_aggregation(engine):
    x = random_values(9, (32, 50), d.float32)
    stats = tile(np.zeros((32, 6), f32))
    calls = [("bn_stats", {"dst": stats, "data": tile(x)}, {}, "vector")]
    first = run_sequence(engine, calls)["dst"]
    got = run(engine, "bn_aggr", {"dst": tile(np.zeros((32, 2), f32)), "data": tile(first)}, {})["dst"]
    assert np.abs(got[:, 1] - x.astype(np.float64).var(axis=1)).max() < 1e-4


@pytest.mark.parametrize("operator", ["maximum", "minimum"])
@pytest.mark.parametrize("length", [1, 7, 16, 200])
def test_extremes_of_extreme_values(engine, operator, length):
    """Rows of the largest, the smallest, infinities, zeros of both signs and NaN: what an identity could hide."""
    largest = np.finfo(f32).max
    rows = [[largest], [-largest], [np.inf], [-np.inf], [0.0, -0.0], [-0.0], [np.nan, 1.0], [-np.nan, -largest]]
    x = np.stack([np.resize(np.array(row, f32), length) for row in rows])
    operands = {"dst": Tile(values=np.zeros((len(rows), 1), f32), dtype=d.float32), "data": tile(x)}
    got = run(engine, "tensor_reduce", operands, {"op": operator, "axis": (1,), "negate": False, "keepdims": False})
    pick = np.maximum if operator == "maximum" else np.minimum
    want = pick.reduce(x, axis=1)
    zeros = (x == 0).all(axis=1)
    negative = np.signbit(x).all(axis=1) if operator == "maximum" else np.signbit(x).any(axis=1)
    want[zeros] = np.where(negative[zeros], f32(-0.0), f32(0.0))
    assert_same(got["dst"].ravel(), want)
