"""Registers, loops, printing: what an engine does around the instructions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.program import dtypes as d
from nki_sim.program.access import AccessPattern, DynamicOffset
from nki_sim.program.ir import Instruction, Loop
from nki_sim.targets import load
from tests.support.programs import Builder, run_sequence, tile
from tests.support.values import assert_same

few = settings(settings.get_profile("conformance"))
COPY = {"oob_mode": "error", "dge_mode": None, "engine": None, "priority": None}


def add_one(pattern: AccessPattern) -> Instruction:
    operands = {"dst": pattern, "data": pattern, "operand0": 1.0, "operand1": None}
    attributes = {"op0": "add", "op1": None, "reverse0": False, "reverse1": False, "engine": None}
    return Instruction("tensor_scalar", operands, attributes, "vector")


@pytest.mark.parametrize("dtype", [d.int32, d.uint32, d.int16, d.uint8])
@pytest.mark.parametrize("value", [0, 1, 200, -1, 2**31 - 1, -(2**31)])
def test_register_moves_and_stores(engine, dtype, value):
    builder = Builder()
    one, two = builder.register(), builder.register()
    cell = builder.tensor("sbuf", (1, 1), dtype)
    builder.emit("register_move", {"dst": one, "src": value}, {}, "sync")
    builder.emit("register_move", {"dst": two, "src": one}, {}, "sync")
    builder.emit("register_store", {"dst": cell.whole(), "src": two}, {}, "sync")
    out = builder.bring_back(cell)
    builder.run(engine)
    assert int(builder.hbm[out.index][0, 0]) == int(np.array(value, np.int64).astype(dtype.storage))


@pytest.mark.parametrize(("dtype", "value"), [(d.int32, -7), (d.uint8, 250), (d.int8, -3), (d.uint32, 9)])
@pytest.mark.parametrize("space", ["sbuf", "hbm"])
def test_register_load(engine, dtype, value, space):
    builder = Builder()
    register = builder.register()
    cell = builder.add_tile(tile(np.array([[value]]), dtype, space))[1]
    builder.emit("register_load", {"dst": register, "src": cell}, {}, "sync")
    result = builder.tensor("sbuf", (1, 1), d.int32)
    builder.emit("register_store", {"dst": result.whole(), "src": register}, {}, "sync")
    out = builder.bring_back(result)
    builder.run(engine)
    assert int(builder.hbm[out.index][0, 0]) == value


@few
@given(st.integers(-2, 6), st.integers(-2, 9), st.integers(1, 4), st.booleans())
def test_counted_loops(engine, start, stop, step, from_register):
    builder = Builder()
    cell, pattern, _ = builder.add_tile(tile(np.zeros((2, 1), np.float32)))
    bounds = [start, stop]
    if from_register:
        for place, bound in enumerate(bounds):
            bounds[place] = builder.register()
            builder.emit("register_move", {"dst": bounds[place], "src": bound}, {}, "sync")
    loop = Loop(body=[add_one(pattern)], register=builder.register(), start=bounds[0], stop=bounds[1], step=step)
    builder.program.body.append(loop)
    out = builder.bring_back(cell)
    runner = engine(builder.program, builder.placement, load("trn2"))
    runner(builder.hbm, print)
    trips = len(range(start, stop, step))
    assert builder.hbm[out.index].tolist() == [[trips]] * 2
    assert runner.trips[id(loop)] == trips


def test_loop_variable_addresses_memory_and_loops_nest(engine):
    builder = Builder()
    table = builder.tensor("hbm", (4, 3, 5), d.float32, "input")
    builder.hbm[table.index][:] = np.arange(60).reshape(4, 3, 5)
    out = builder.tensor("hbm", (4, 5), d.float32, "output")
    cell = builder.tensor("sbuf", (1, 5), d.float32)
    outer, inner = builder.register(), builder.register()
    row = AccessPattern(table, d.float32, None, 0, ((5, 1), (1, 5)), DynamicOffset(outer, 15, 4))
    to = AccessPattern(out, d.float32, None, 0, ((5, 1), (1, 5)), DynamicOffset(outer, 5, 4))
    bump = Loop(body=[add_one(cell.whole())], register=inner, start=0, stop=outer)
    body = [
        Instruction("dma_copy", {"dst": cell.whole(), "src": row}, COPY, "dma"),
        bump,
        Instruction("dma_copy", {"dst": to, "src": cell.whole()}, COPY, "dma"),
    ]
    builder.program.body.append(Loop(body=body, register=outer, start=0, stop=4))
    runner = engine(builder.program, builder.placement, load("trn2"))
    for _ in range(2):
        runner(builder.hbm, print)
        expected = builder.hbm[table.index][:, 0] + np.arange(4, dtype=np.float32)[:, None]
        assert_same(builder.hbm[out.index], expected)
        assert runner.trips[id(bump)] == 0 + 1 + 2 + 3


def test_conditional_loop_runs_until_its_register_is_zero(engine):
    builder = Builder()
    register = builder.register()
    count, count_pattern, _ = builder.add_tile(tile(np.array([[5]]), d.int32))
    cell, pattern, _ = builder.add_tile(tile(np.zeros((1, 1), np.float32)))
    builder.emit("register_load", {"dst": register, "src": count_pattern}, {}, "sync")
    down = {"dst": count_pattern, "data": count_pattern, "operand0": 1.0, "operand1": None}
    attributes = {"op0": "subtract", "op1": None, "reverse0": False, "reverse1": False, "engine": None}
    loop = Loop(condition=register, body=[
        add_one(pattern),
        Instruction("tensor_scalar", down, attributes, "vector"),
        Instruction("register_load", {"dst": register, "src": count_pattern}, {}, "sync"),
    ])  # fmt: skip
    builder.program.body.append(loop)
    out, left = builder.bring_back(cell), builder.bring_back(count)
    runner = engine(builder.program, builder.placement, load("trn2"))
    runner(builder.hbm, print)
    assert (builder.hbm[out.index].item(), builder.hbm[left.index].item()) == (5.0, 0)
    assert runner.trips[id(loop)] == 5


def test_device_print(engine):
    x = np.array([[1.5, -2.0], [0.0, 4.0]], np.float32)
    result = run_sequence(engine, [("device_print", {"tensor": tile(x)}, {"print_prefix": "scores"}, "sync")])
    [line] = result.printed
    assert line.startswith("scores ")
    numbers = line.removeprefix("scores").replace("[", " ").replace("]", " ").split()
    assert [float(v) for v in numbers] == [1.5, -2, 0, 4]
