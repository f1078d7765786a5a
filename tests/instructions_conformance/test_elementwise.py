"""tensor_copy, tensor_tensor, tensor_scalar, scalar_tensor_tensor, reciprocal and memset against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import cast, from_float32, to_float32
from tests.support.programs import Alias, Tile, run, tile
from tests.support.values import (
    FLOATS,
    INTEGERS,
    assert_same,
    free_shapes,
    layouts,
    partitions,
    random_values,
    seeds,
    ulps,
)

few = settings(settings.get_profile("conformance"))
f32 = np.float32
every_type = st.sampled_from(FLOATS + INTEGERS)

# Scalar meaning of each operator on two float32 numbers, written without NumPy's array functions.
BINARY = {
    "add": lambda x, y: f32(x) + f32(y),
    "subtract": lambda x, y: f32(x) - f32(y),
    "multiply": lambda x, y: f32(x) * f32(y),
    "maximum": lambda x, y: x if x > y else y if y > x else (y if math.copysign(1, x) < 0 else x),
    "minimum": lambda x, y: x if x < y else y if y < x else (x if math.copysign(1, x) < 0 else y),
    "equal": lambda x, y: f32(x == y),
    "not_equal": lambda x, y: f32(x != y),
    "greater": lambda x, y: f32(x > y),
    "greater_equal": lambda x, y: f32(x >= y),
    "less": lambda x, y: f32(x < y),
    "less_equal": lambda x, y: f32(x <= y),
    "logical_and": lambda x, y: f32(x != 0 and y != 0),
    "logical_or": lambda x, y: f32(x != 0 or y != 0),
    "logical_xor": lambda x, y: f32((x != 0) != (y != 0)),
    "abs_max": lambda x, y: x if abs(x) > abs(y) else y,
    "abs_min": lambda x, y: x if abs(x) < abs(y) else y,
}
UNARY = {
    "abs": lambda x: f32(abs(x)),
    "square": lambda x: f32(x) * f32(x),
    "relu": lambda x: x if x > 0 else f32(0),
    "reciprocal": lambda x: f32(1) / f32(x) if x != 0 else f32(math.copysign(math.inf, x)),
}


def apply(op: str, x: np.ndarray, y: np.ndarray | None = None, reverse: bool = False) -> np.ndarray:
    """Element by element, in float32."""
    out = np.empty(x.shape, f32)
    other = None if y is None else np.broadcast_to(y, x.shape)
    for place in np.ndindex(x.shape):
        if op in UNARY:
            out[place] = UNARY[op](x[place])
        else:
            left, right = x[place], other[place]
            out[place] = BINARY[op](right, left) if reverse else BINARY[op](left, right)
    return out


def column(values: np.ndarray, rank: int) -> np.ndarray:
    return values.reshape(-1, *[1] * (rank - 1))


def destination(shape: tuple[int, ...], dtype: d.DType, layout: object, space: str = "sbuf") -> Tile:
    return Tile(values=np.zeros(shape, dtype.storage), dtype=dtype, space=space, layout=layout)


@few
@given(seeds, partitions, free_shapes, every_type, every_type, st.data())
def test_tensor_copy_casts_through_float32_or_keeps_bits(engine, seed, rows, free, source, target, data):
    values = random_values(seed, (rows, *free), source)
    src = Tile(values=values, dtype=source, layout=data.draw(layouts(rows)))
    # Equal counts, another rank.
    dst = destination((rows, int(np.prod(free))), target, data.draw(layouts(rows)))
    result = run(engine, "tensor_copy", {"dst": dst, "src": src}, {"engine": None})
    assert_same(result["dst"], cast(values, source, target))
    assert not result.surroundings_changed("dst")
    assert not result.surroundings_changed("src")


@pytest.mark.parametrize("dtype", [d.int32, d.uint32, d.float32, d.bfloat16, d.float8_e4m3, d.uint8])
def test_tensor_copy_keeps_every_bit_pattern(engine, dtype):
    size = dtype.itemsize
    bits = np.random.default_rng(3).integers(0, 256, (7, 40 * size), np.uint8)
    bits[0, : 8 * size] = 0xFF  # a NaN with a payload, an odd integer above 2**24
    values = bits.view(dtype.storage)
    result = run(
        engine, "tensor_copy", {"dst": tile(np.zeros_like(values), dtype), "src": tile(values, dtype)}, {"engine": None}
    )
    assert result["dst"].tobytes() == values.tobytes()


@few
@given(seeds, st.sampled_from([1, 31, 32]), free_shapes, st.data())
def test_tensor_copy_at_odd_addresses(engine, seed, rows, free, data):
    values = random_values(seed, (rows, *free), d.float32)
    shifts = st.integers(0, 3)
    src = tile(values, shift_bytes=data.draw(shifts), before=1)
    dst = tile(np.zeros_like(values), shift_bytes=data.draw(shifts), before=2)
    result = run(engine, "tensor_copy", {"dst": dst, "src": src}, {"engine": None})
    assert_same(result["dst"], values)
    assert not result.surroundings_changed("dst")


@pytest.mark.parametrize("op", sorted(BINARY))
@settings(few, max_examples=3)
@given(seed=seeds, rows=partitions, free=free_shapes, data=st.data())
def test_tensor_tensor_computes_in_float32(engine, op, seed, rows, free, data):
    one, two, out = (data.draw(st.sampled_from((*FLOATS, d.int16, d.uint8))) for _ in range(3))
    x, y = random_values(seed, (rows, *free), one), random_values(seed + 1, (rows, *free), two)
    same = np.random.default_rng(seed).random(x.shape) < 0.3  # ties
    y = np.where(same, cast(x, one, two), y)
    operands = {
        "dst": destination((rows, *free), out, data.draw(layouts(rows))),
        "data1": Tile(values=x, dtype=one, layout=data.draw(layouts(rows))),
        "data2": Tile(values=y.reshape(rows, -1), dtype=two, layout=data.draw(layouts(rows))),
    }
    result = run(engine, "tensor_tensor", operands, {"op": op, "engine": None})
    assert_same(result["dst"], from_float32(apply(op, to_float32(x), to_float32(y)), out))
    assert not result.surroundings_changed("dst")


INTEGER = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "maximum": max,
    "minimum": min,
    "less": lambda x, y: int(x < y),
    "equal": lambda x, y: int(x == y),
}


@pytest.mark.parametrize("op", sorted(INTEGER))
@settings(few, max_examples=4)
@given(seed=seeds, dtype=st.sampled_from([d.int32, d.uint32]))
def test_tensor_tensor_is_exact_on_gpsimd_integers(engine, op, seed, dtype):
    x, y = random_values(seed, (5, 33), dtype), random_values(seed + 1, (5, 33), dtype)
    operands = {"dst": tile(np.zeros_like(x)), "data1": tile(x), "data2": tile(y)}
    result = run(engine, "tensor_tensor", operands, {"op": op, "engine": "gpsimd"}, engine="gpsimd")
    expected = np.empty(x.shape, np.uint32)
    for place in np.ndindex(x.shape):
        expected[place] = INTEGER[op](int(x[place]), int(y[place])) % 2**32
    assert_same(result["dst"], expected.view(dtype.storage))


def test_tensor_tensor_on_vector_rounds_large_integers(engine):
    x = np.array([[2**24 + 1, 2**31 - 1]], np.int32)
    operands = {"dst": tile(np.zeros_like(x)), "data1": tile(x), "data2": tile(np.zeros_like(x))}
    result = run(engine, "tensor_tensor", operands, {"op": "add", "engine": "vector"}, engine="vector")
    assert result["dst"].tolist() == [[2**24, 2**31 - 1]]


BITS = {
    "bitwise_and": lambda x, y, w: x & y,
    "bitwise_or": lambda x, y, w: x | y,
    "bitwise_xor": lambda x, y, w: x ^ y,
    "left_shift": lambda x, y, w: (x << y) if y < w else 0,
    "right_shift": lambda x, y, w: (x >> y) if y < w else 0,
}


def bit_loop(op: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    width = 8 * x.dtype.itemsize
    unsigned = f"u{x.dtype.itemsize}"
    a, b = x.view(unsigned), np.broadcast_to(y, x.shape).astype(x.dtype).view(unsigned)
    out = np.empty(x.shape, unsigned)
    for place in np.ndindex(x.shape):
        out[place] = BITS[op](int(a[place]), int(b[place]), width) % 2**width
    return out.view(x.dtype)


@pytest.mark.parametrize("op", sorted(BITS))
@settings(few, max_examples=6)
@given(seed=seeds, dtype=st.sampled_from(INTEGERS), free=free_shapes)
def test_tensor_tensor_bitvec(engine, op, seed, dtype, free):
    x = random_values(seed, (6, *free), dtype)
    y = random_values(seed + 1, (6, *free), dtype)
    if op.endswith("shift"):
        y = np.random.default_rng(seed).integers(0, 8 * dtype.itemsize, x.shape).astype(x.dtype)
    operands = {"dst": tile(np.zeros_like(x)), "data1": tile(x), "data2": tile(y)}
    assert_same(run(engine, "tensor_tensor", operands, {"op": op, "engine": None})["dst"], bit_loop(op, x, y))


@settings(few, max_examples=12)
@given(
    seeds,
    st.sampled_from(INTEGERS),
    st.sampled_from(sorted(BITS)),
    st.sampled_from([*sorted(BITS), None]),
    st.booleans(),
)
def test_tensor_scalar_bitvec(engine, seed, dtype, op0, op1, tiled):
    x = random_values(seed, (6, 9), dtype)
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 8 * dtype.itemsize, (6, 1)).astype(x.dtype)
    second = int(generator.integers(0, 8))
    expected = bit_loop(op0, x, first if tiled else first[0, 0])
    if op1 is not None:
        expected = bit_loop(op1, expected, np.array(second))
    operands = {
        "dst": tile(np.zeros_like(x)),
        "data": tile(x, step=2),
        "operand0": tile(first) if tiled else int(first[0, 0]),
        "operand1": None if op1 is None else second,
    }
    attributes = {"op0": op0, "op1": op1, "reverse0": False, "reverse1": False, "engine": None}
    assert_same(run(engine, "tensor_scalar", operands, attributes)["dst"], expected)


def test_invert_and_negative_masks(engine):
    x = np.array([[0, 1, -1, 2**31 - 1, -(2**31)]], np.int32)
    operands = {"dst": tile(np.zeros_like(x)), "data": tile(x), "operand0": None, "operand1": -2}
    attributes = {"op0": "invert", "op1": "bitwise_and", "reverse0": False, "reverse1": False, "engine": None}
    assert_same(run(engine, "tensor_scalar", operands, attributes)["dst"], ~x & np.int32(-2))


@settings(few, max_examples=24)
@given(seeds, partitions, free_shapes, st.data())
def test_tensor_scalar_two_operators(engine, seed, rows, free, data):
    op0 = data.draw(st.sampled_from([*sorted(BINARY), "abs", "square", "relu"]))
    op1 = data.draw(st.sampled_from([None, *sorted(BINARY), "abs", "square", "relu"]))
    reverse0, reverse1 = data.draw(st.booleans()), data.draw(st.booleans())
    source, out = (data.draw(st.sampled_from((*FLOATS, d.int8, d.uint16))) for _ in range(2))
    x = random_values(seed, (rows, *free), source)
    operands: dict[str, object] = {
        "dst": destination((rows, *free), out, data.draw(layouts(rows))),
        "data": Tile(values=x, dtype=source, layout=data.draw(layouts(rows))),
    }
    value = to_float32(x)
    for number, (op, reverse) in enumerate([(op0, reverse0), (op1, reverse1)]):
        if op is None or op in UNARY:
            operands[f"operand{number}"] = None
            value = value if op is None else apply(op, value)
            continue
        if data.draw(st.booleans()):
            constant = random_values(seed + 2 + number, (rows, 1), d.float32)
            operands[f"operand{number}"] = tile(constant)
            value = apply(op, value, column(constant, value.ndim), reverse)
        else:
            constant = data.draw(st.sampled_from([0.0, 1.0, -2.5, 0.1, 300.0]))
            operands[f"operand{number}"] = constant
            value = apply(op, value, np.array(constant, f32), reverse)
    attributes = {"op0": op0, "op1": op1, "reverse0": reverse0, "reverse1": reverse1, "engine": None}
    result = run(engine, "tensor_scalar", operands, attributes)
    assert_same(result["dst"], from_float32(value, out))
    assert not result.surroundings_changed("dst")


def test_tensor_scalar_rounds_between_the_operators(engine):
    # 1 + 2**-24 rounds to 1, so subtracting 1 gives 0; one rounding at the end would give 2**-24.
    x = np.array([[1.0]], f32)
    operands = {"dst": tile(np.zeros_like(x)), "data": tile(x), "operand0": 2.0**-24, "operand1": 1.0}
    attributes = {"op0": "add", "op1": "subtract", "reverse0": False, "reverse1": False, "engine": None}
    assert run(engine, "tensor_scalar", operands, attributes)["dst"].tolist() == [[0.0]]


def test_multiply_and_add_are_not_fused(engine):
    generator = np.random.default_rng(8)
    x = generator.normal(size=(4, 64)).astype(f32)
    scale, bias = f32(1.1), f32(-0.3)
    operands = {"dst": tile(np.zeros_like(x)), "data": tile(x), "operand0": float(scale), "operand1": float(bias)}
    attributes = {"op0": "multiply", "op1": "add", "reverse0": False, "reverse1": False, "engine": None}
    assert_same(run(engine, "tensor_scalar", operands, attributes)["dst"], x * scale + bias)


@few
@given(seeds, st.sampled_from([0.0, 1e-30, 1.0, 1e30]))
def test_rsqrt_and_power_are_within_two_ulp(engine, seed, scale):
    x = np.abs(random_values(seed, (3, 20), d.float32, max(scale, 0.5))) + f32(1e-30)
    attributes = {"op0": "rsqrt", "op1": None, "reverse0": False, "reverse1": False, "engine": None}
    operands = {"dst": tile(np.zeros_like(x)), "data": tile(x), "operand0": None, "operand1": None}
    got = run(engine, "tensor_scalar", operands, attributes, engine="gpsimd")["dst"]
    assert ulps(got, np.array([1 / math.sqrt(float(v)) for v in x.reshape(-1)], f32).reshape(x.shape)).max() <= 2
    y = np.random.default_rng(seed).uniform(-2, 2, x.shape).astype(f32)
    operands = {"dst": tile(np.zeros_like(x)), "data1": tile(x), "data2": tile(y)}
    got = run(engine, "tensor_tensor", operands, {"op": "power", "engine": None}, engine="gpsimd")["dst"]
    with np.errstate(over="ignore"):
        pairs = zip(x.reshape(-1), y.reshape(-1), strict=True)
        expected = np.array([float(a) ** float(b) for a, b in pairs]).astype(f32).reshape(x.shape)
    assert ulps(got, expected).max() <= 2


@settings(few, max_examples=16)
@given(seeds, partitions, free_shapes, st.data())
def test_scalar_tensor_tensor(engine, seed, rows, free, data):
    op0, op1 = (data.draw(st.sampled_from(sorted(BINARY))) for _ in range(2))
    reverse0, reverse1 = data.draw(st.booleans()), data.draw(st.booleans())
    source, other, out = (data.draw(st.sampled_from(FLOATS)) for _ in range(3))
    x, y = random_values(seed, (rows, *free), source), random_values(seed + 1, (rows, *free), other)
    constant = random_values(seed + 2, (rows, 1), d.float32) if data.draw(st.booleans()) else np.array(-1.5, f32)
    first = apply(op0, to_float32(x), column(constant, x.ndim) if constant.ndim else constant, reverse0)
    expected = from_float32(apply(op1, first, to_float32(y), reverse1), out)
    operands = {
        "dst": destination((rows, *free), out, data.draw(layouts(rows)), data.draw(st.sampled_from(["sbuf", "psum"]))),
        "data": Tile(values=x, dtype=source, layout=data.draw(layouts(rows))),
        "operand0": tile(constant) if constant.ndim else -1.5,
        "operand1": Tile(values=y, dtype=other, layout=data.draw(layouts(rows))),
    }
    attributes = {"op0": op0, "op1": op1, "reverse0": reverse0, "reverse1": reverse1}
    result = run(engine, "scalar_tensor_tensor", operands, attributes)
    assert_same(result["dst"], expected)
    assert not result.surroundings_changed("dst")


@few
@given(seeds, free_shapes, st.sampled_from(FLOATS), st.sampled_from(FLOATS))
def test_reciprocal_is_correctly_rounded(engine, seed, free, source, out):
    x = random_values(seed, (4, *free), source)
    result = run(engine, "reciprocal", {"dst": tile(np.zeros(x.shape), out), "data": tile(x, source)}, {})
    assert_same(result["dst"], from_float32(apply("reciprocal", to_float32(x)), out))


@few
@given(st.sampled_from(FLOATS), st.sampled_from([0.0, -0.0, 1.0, -3.25, 0.1, 1e30, math.inf]), partitions, free_shapes)
def test_memset_floats(engine, dtype, value, rows, free):
    dst = tile(np.zeros((rows, *free)), dtype, step=2, before=1)
    result = run(engine, "memset", {"dst": dst}, {"value": value, "engine": None})
    assert_same(result["dst"], from_float32(np.full((rows, *free), value, f32), dtype))
    assert not result.surroundings_changed("dst")


@few
@given(st.sampled_from(INTEGERS), st.data())
def test_memset_integers_are_exact(engine, dtype, data):
    limits = np.iinfo(dtype.storage)
    value = data.draw(st.integers(int(limits.min), int(limits.max)))
    result = run(engine, "memset", {"dst": tile(np.zeros((3, 5)), dtype)}, {"value": value, "engine": None})
    assert (result["dst"].astype(np.int64) == value).all()


def test_in_place(engine):
    x = random_values(5, (33, 17), d.float32)
    operands = {"dst": tile(x), "data1": Alias("dst"), "data2": Alias("dst")}
    result = run(engine, "tensor_tensor", operands, {"op": "add", "engine": None})
    assert_same(result["dst"], x + x)


def test_nan_and_infinity(engine):
    special = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0], f32)
    x, y = (np.ascontiguousarray(a) for a in np.meshgrid(special, special))
    for op in ("add", "multiply", "maximum", "minimum", "equal", "less", "not_equal"):
        operands = {"dst": tile(np.zeros_like(x)), "data1": tile(x), "data2": tile(y)}
        got = run(engine, "tensor_tensor", operands, {"op": op, "engine": None})["dst"]
        with np.errstate(invalid="ignore"):
            expected = np.array(
                [
                    math.nan if op in ("maximum", "minimum") and (math.isnan(a) or math.isnan(b)) else BINARY[op](a, b)
                    for a, b in zip(x.reshape(-1), y.reshape(-1), strict=True)
                ],
                f32,
            )
        assert_same(got, expected)
