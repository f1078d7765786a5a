"""activation and activation_reduce: every function against Python's math, scale and bias, the accumulator registers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import from_float32, to_float32
from tests.support.programs import Alias, Tile, run, run_sequence, tile
from tests.support.values import FLOATS, assert_close, assert_same, layouts, partitions, random_values, seeds, ulps

few = settings(settings.get_profile("conformance"))
f32 = np.float32
ULPS = 2


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def swish_dx(x: float, a: float) -> float:
    return sigmoid(a * x) + a * x * sigmoid(a * x) * sigmoid(-a * x)


def exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf


# Definition and, for most, a range that covers its interesting part.
FUNCTIONS = {
    "copy": (lambda x: x, 100.0),
    "square": (lambda x: x * x, 100.0),
    "sigmoid": (sigmoid, 30.0),
    "relu": (lambda x: max(x, 0.0), 100.0),
    "gelu": (lambda x: x * phi(x), 8.0),
    "gelu_dx": (lambda x: phi(x) + x * density(x), 8.0),
    "gelu_apprx_tanh": (lambda x: x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)), 8.0),
    "gelu_apprx_sigmoid": (lambda x: x * sigmoid(1.702 * x), 20.0),
    "gelu_apprx_sigmoid_dx": (lambda x: swish_dx(x, 1.702), 20.0),
    "silu": (lambda x: x * sigmoid(x), 30.0),
    "silu_dx": (lambda x: swish_dx(x, 1.0), 30.0),
    "tanh": (math.tanh, 9.0),
    "softplus": (softplus, 30.0),
    "mish": (lambda x: x * math.tanh(softplus(x)), 30.0),
    "erf": (math.erf, 4.0),
    "erf_dx": (lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x), 8.0),
    "exp": (exp, 80.0),
    "log": (math.log, 2.0**64),
    "sin": (math.sin, 3.14159),
    "arctan": (math.atan, 1.5707),
    "sqrt": (math.sqrt, 1e6),
    "rsqrt": (lambda x: 1 / math.sqrt(x), 1e6),
    "reciprocal": (lambda x: 1 / x, 2.0**42),
    "sign": (lambda x: math.copysign(1.0, x) if x else 0.0, 10.0),
    "abs": (abs, 100.0),
}
EXACT = {"copy", "square", "relu", "sqrt", "reciprocal", "sign", "abs"}
# Derivatives cross zero, where a relative error means nothing: there the error is measured against the terms that
# cancel.
CROSS_ZERO = {"gelu_dx", "gelu_apprx_sigmoid_dx", "silu_dx"}
POSITIVE = {"log", "sqrt", "rsqrt"}


def attributes(op: str, **changes: object) -> dict[str, object]:
    return {"op": op, "reduce_op": None, "reduce_cmd": "idle", **changes}


def activate(engine, op, x, **changes):
    operands = {"dst": tile(np.zeros_like(x)), "data": tile(x), "bias": None, "scale": 1.0, "reduce_res": None}
    operands.update(changes)
    return run(engine, "activation", operands, attributes(op), engine="scalar")["dst"]


def arguments(op: str, seed: int, count: int = 600) -> np.ndarray:
    """Uniform and log-uniform arguments in the function's range, of both signs where it takes them."""
    generator = np.random.default_rng(seed)
    top = FUNCTIONS[op][1]
    low = 1.0 / top if op in ("log", "rsqrt", "reciprocal", "sqrt") else 1e-6
    x = np.concatenate([generator.uniform(low, top, count // 2),
                        np.exp(generator.uniform(math.log(low), math.log(top), count - count // 2))])  # fmt: skip
    x = x if op in POSITIVE else x * generator.choice([-1.0, 1.0], count)
    return x.astype(f32).reshape(4, -1)


@pytest.mark.parametrize("op", sorted(FUNCTIONS))
@settings(few, max_examples=3)
@given(seed=seeds)
def test_functions(engine, op, seed):
    x = arguments(op, seed)
    got = activate(engine, op, x)
    exact = np.array([FUNCTIONS[op][0](float(v)) for v in x.reshape(-1)]).reshape(x.shape)
    if op in EXACT:
        assert_same(got, exact.astype(f32))
    elif op in CROSS_ZERO:
        assert (np.abs(got - exact) <= ULPS * 2.0**-23 * np.maximum(np.abs(exact), np.exp(-np.abs(x)) / 4)).all()
    else:
        assert ulps(got, exact.astype(f32)).max() <= ULPS


LIMITS = {
    "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "erf": (-1.0, 1.0), "exp": (0.0, math.inf), "erf_dx": (0.0, 0.0),
    "relu": (0.0, math.inf), "gelu": (0.0, math.inf), "silu": (0.0, math.inf), "mish": (0.0, math.inf),
    "softplus": (0.0, math.inf), "silu_dx": (0.0, 1.0), "gelu_dx": (0.0, 1.0), "gelu_apprx_tanh": (0.0, math.inf),
    "gelu_apprx_sigmoid": (0.0, math.inf), "gelu_apprx_sigmoid_dx": (0.0, 1.0), "sign": (-1.0, 1.0),
    "copy": (-math.inf, math.inf), "abs": (math.inf, math.inf), "square": (math.inf, math.inf),
}  # fmt: skip


@pytest.mark.parametrize("op", sorted(LIMITS))
def test_limits_at_infinity_and_far_out(engine, op):
    x = np.array([[-math.inf, math.inf, -3e38, 3e38]], f32)
    got = activate(engine, op, x)
    low, high = LIMITS[op]
    assert (got[0, 0], got[0, 1]) == (low, high)
    if abs(high) <= 1 and abs(low) <= 1:
        assert (got[0, 2], got[0, 3]) == (low, high)


@pytest.mark.parametrize("op", sorted(set(FUNCTIONS) - {"sign"}))
def test_nan_stays_nan(engine, op):
    assert np.isnan(activate(engine, op, np.array([[math.nan]], f32))).all()


def test_sine_outside_its_range_is_the_documented_cubic(engine):
    # nki.api.shared.rst: sin(9.0) returns ~27.65.
    got = activate(engine, "sin", np.array([[9.0, -9.0]], f32))
    assert np.abs(got - np.array([[27.653, -27.653]], f32)).max() < 0.005


@settings(few, max_examples=16)
@given(seeds, partitions, st.sampled_from([(1,), (17,), (3, 5), (64,)]), st.data())
def test_scale_and_bias(engine, seed, rows, free, data):
    source, out = data.draw(st.sampled_from(FLOATS)), data.draw(st.sampled_from(FLOATS))
    x = random_values(seed, (rows, *free), source)
    operands: dict[str, object] = {
        "dst": Tile(values=np.zeros(x.shape, out.storage), dtype=out, layout=data.draw(layouts(rows))),
        "data": Tile(values=x, dtype=source, layout=data.draw(layouts(rows))),
        "reduce_res": None,
    }
    value = to_float32(x)
    shape = (-1, *[1] * len(free))
    for name, number in (("scale", 1), ("bias", 2)):
        kind = data.draw(st.sampled_from(["tile", "number", "low tile"]))
        factor = random_values(seed + number, (rows, 1), d.bfloat16 if kind == "low tile" else d.float32)
        operands[name] = 0.75 if kind == "number" else tile(factor)
        other = f32(0.75) if kind == "number" else to_float32(factor).reshape(shape)
        value = value * other if name == "scale" else value + other
    result = run(engine, "activation", operands, attributes("copy"), engine="scalar")
    assert_same(result["dst"], from_float32(value, out))
    assert not result.surroundings_changed("dst")


@few
@given(seeds, partitions, st.sampled_from([(1,), (17,), (3, 5)]), st.sampled_from([d.float32, d.bfloat16]))
def test_activation_reduce_sums_before_the_cast(engine, seed, rows, free, out):
    x = random_values(seed, (rows, *free), d.float32)
    operands = {
        "dst": tile(np.zeros(x.shape), out), "data": tile(x), "reduce_res": tile(np.zeros((rows, 1), f32)),
        "bias": None, "scale": 1.0,
    }  # fmt: skip
    result = run(engine, "activation_reduce", operands, {"op": "square", "reduce_op": "add"}, engine="scalar")
    squares = x * x
    assert_same(result["dst"], from_float32(squares, out))
    flat = squares.reshape(rows, -1).astype(np.float64)
    exact = np.array([math.fsum(row) for row in flat])
    assert_close(result["reduce_res"], exact, flat.shape[1] * 2.0**-24 * exact * 1.01, d.float32)


def accumulating(command: str, x: np.ndarray, result: bool) -> tuple[object, ...]:
    operands = {
        "dst": tile(np.zeros_like(x)), "data": tile(x), "bias": None, "scale": 1.0,
        "reduce_res": tile(np.zeros((len(x), 1), f32)) if result else None,
    }  # fmt: skip
    return "activation", operands, attributes("copy", reduce_op="add", reduce_cmd=command), "scalar"


def test_reduce_commands(engine):
    x = np.arange(12, dtype=f32).reshape(4, 3)
    row = x.sum(axis=1, keepdims=True)
    commands = [
        ("reset_reduce", row), ("reduce", 2 * row), ("idle", 2 * row), ("reduce", 3 * row), ("reset", 0 * row),
        ("idle", 0 * row), ("reduce", row), ("reset_reduce", row),
    ]  # fmt: skip
    result = run_sequence(engine, [accumulating(command, x, True) for command, _ in commands])
    for number, (command, expected) in enumerate(commands):
        assert result[f"{number}.reduce_res"].tolist() == expected.tolist(), (number, command)


def test_accumulators_live_without_being_read(engine):
    x = np.arange(6, dtype=f32).reshape(2, 3)
    calls = [accumulating("reset_reduce", x, False), accumulating("reduce", x, False), accumulating("reduce", x, True)]
    result = run_sequence(engine, calls)
    assert_same(result["2.reduce_res"], 3 * x.sum(axis=1, keepdims=True))


def test_reduce_result_may_be_the_destination(engine):
    x = np.array([[3.0], [4.0]], f32)
    operands = {"dst": tile(np.zeros_like(x)), "data": tile(x), "reduce_res": Alias("1.dst")}
    operands |= {"bias": None, "scale": 2.0}
    first = accumulating("reset_reduce", x, False)
    second = ("activation", operands, attributes("copy", reduce_op="add", reduce_cmd="reduce"), "scalar")
    # dst (6, 8) is written first, then the sums (3 + 6, 4 + 8) over it.
    assert run_sequence(engine, [first, second])["1.reduce_res"].tolist() == [[9.0], [12.0]]
