"""tensor_tensor_scan against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import from_float32, to_float32
from tests.support.programs import Tile, run, tile
from tests.support.values import FLOATS, assert_same, layouts, partitions, random_values, seeds

few = settings(settings.get_profile("conformance"), max_examples=20)
f32 = np.float32

OPERATORS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "maximum": lambda x, y: x if x > y else y,
    "minimum": lambda x, y: x if x < y else y,
    "less": lambda x, y: f32(x < y),
}


def loop(x, y, initial, op0, op1, reverse0, reverse1):
    out = np.empty(x.shape, f32)
    for p in range(x.shape[0]):
        state = f32(initial[p])
        for i in range(x.shape[1]):
            pair = (state, x[p, i]) if reverse0 else (x[p, i], state)
            first = OPERATORS[op0](*pair)
            pair = (y[p, i], first) if reverse1 else (first, y[p, i])
            state = OPERATORS[op1](*pair)
            out[p, i] = state
    return out


@few
@given(seeds, partitions, st.sampled_from([(1,), (2,), (19,), (4, 5)]), st.data())
def test_recurrence(engine, seed, rows, free, data):
    names = st.sampled_from(sorted(OPERATORS))
    op0, op1, reverse0, reverse1 = data.draw(st.tuples(names, names, st.booleans(), st.booleans()))
    types = [data.draw(st.sampled_from(FLOATS)) for _ in range(3)]
    x, y = (random_values(seed + i, (rows, *free), types[i], scale=1.0) for i in range(2))
    tiled = data.draw(st.booleans())
    initial = random_values(seed + 2, (rows, 1), d.float32) if tiled else np.full((rows, 1), 0.5, f32)
    operands = {
        "dst": Tile(values=np.zeros((rows, *free), types[2].storage), dtype=types[2], layout=data.draw(layouts(rows))),
        "data0": Tile(values=x, dtype=types[0], layout=data.draw(layouts(rows))),
        "data1": Tile(values=y, dtype=types[1], layout=data.draw(layouts(rows))),
        "initial": tile(initial) if tiled else 0.5,
    }
    attributes = {"op0": op0, "op1": op1, "reverse0": reverse0, "reverse1": reverse1}
    result = run(engine, "tensor_tensor_scan", operands, attributes)
    flat = [to_float32(v).reshape(rows, -1) for v in (x, y)]
    expected = loop(*flat, initial[:, 0], op0, op1, reverse0, reverse1)
    # Zeros of either sign may win a maximum in this loop; + 0 makes them one.
    zero = types[2].storage.type(0)
    assert_same(result["dst"] + zero, from_float32(expected, types[2]).reshape(rows, *free) + zero)
    assert not result.surroundings_changed("dst")


def test_state_stays_float32_when_the_destination_is_narrow(engine):
    ones = np.ones((1, 300), f32)
    operands = {"dst": tile(np.zeros((1, 300)), d.bfloat16), "data0": tile(ones), "data1": tile(ones), "initial": 0.0}
    attributes = {"op0": "multiply", "op1": "add", "reverse0": False, "reverse1": False}
    got = run(engine, "tensor_tensor_scan", operands, attributes)["dst"]
    # A bfloat16 state would stop at 256.
    assert float(got[0, 299]) == 300.0
