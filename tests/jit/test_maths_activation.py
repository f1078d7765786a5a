"""activation's accumulator registers and sums, alone: partitions, operators, remainders of all sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.instructions.activation.lowering import LOWERING
from nki_sim.instructions.activations import activate
from nki_sim.program import dtypes as d
from nki_sim.program.dtypes import from_float32, to_float32
from tests.jit.lowering_harness import Machine, Operand, run

few = settings(max_examples=15, deadline=None, derandomize=True)
REDUCED: dict[str, Any] = {"add": np.sum, "multiply": np.prod, "maximum": np.max, "minimum": np.min}


def row_of(count: int, partitions: int, offset: int, dtype: d.DType = d.float32, **where: int) -> Operand:
    return Operand(dtype, partitions, ((dtype.itemsize, count),), offset=offset, **where)


def activation(machine: Machine, dst: Operand, data: Operand, result: Operand | None, **attributes: object) -> None:
    operands = {"dst": dst, "data": data, "bias": None, "scale": 1.0, "reduce_res": result}
    run("activation", LOWERING["activation"], operands, {"op": "copy", "reduce_op": "add", **attributes}, machine)


def filled(machine: Machine, operand: Operand, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    machine.view(operand)[...] = from_float32(values.astype(np.float32), operand.dtype)
    return to_float32(machine.view(operand)).copy()


@settings(few, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 128, 200])),
    op=st.sampled_from(sorted(REDUCED)),
    dtype=st.sampled_from([d.float32, d.bfloat16]),
    name=st.sampled_from(["copy", "tanh"]),
)
def test_a_row_reduces_before_the_cast(seed, count, op, dtype, name):
    machine = Machine()
    data, dst, result = row_of(count, 5, 0), row_of(count, 5, 4096, dtype), row_of(1, 5, 8192)
    x = filled(machine, data, np.random.default_rng(seed).uniform(0.5, 1.5, (5, count)))
    activation(machine, dst, data, result, op=name, reduce_op=op, reduce_cmd="reset_reduce")
    value = activate(name, x).astype(np.float64)
    exact = REDUCED[op](value, axis=1, keepdims=True)
    got = machine.view(result).astype(np.float64)
    # In double and rounded once; tanh itself may be one unit off.
    slack = 0.0 if op in ("maximum", "minimum") and name == "copy" else 2.0**-24
    slack += count * 2.0**-24 * 2 if name == "tanh" else 0.0
    assert np.all(np.abs(got - exact) <= slack * np.abs(exact) * 1.001)
    if name == "copy":
        assert np.array_equal(machine.view(dst), from_float32(x, dtype))


@few
@given(st.integers(1, 4), st.integers(0, 30), st.integers(1, 20), st.integers(0, 4000))
def test_registers_belong_to_physical_partitions(step, start, partitions, offset):
    machine = Machine()
    machine.accumulators[:] = np.arange(256)
    data = row_of(3, partitions, offset, start=start, step=step)
    dst, result = row_of(3, partitions, 8192), row_of(1, partitions, 9000)
    x = filled(machine, data, np.random.default_rng(offset).integers(-9, 10, (partitions, 3)))
    activation(machine, dst, data, result, reduce_cmd="reduce")
    lanes = start + step * np.arange(partitions)
    expected = np.arange(256, dtype=np.float32)
    expected[lanes] += x.sum(axis=1)
    assert np.array_equal(machine.accumulators, expected)
    assert np.array_equal(machine.view(result)[:, 0], expected[lanes])


@pytest.mark.parametrize(("command", "expected"), [
    ("idle", [7.0, 7.0]), ("reset", [0.0, 0.0]), ("reduce", [10.0, 19.0]), ("reset_reduce", [3.0, 12.0]),
])  # fmt: skip
def test_commands(command, expected):
    machine = Machine()
    machine.accumulators[:2] = 7.0
    data, dst, result = row_of(3, 2, 0), row_of(3, 2, 64), row_of(1, 2, 128)
    x = filled(machine, data, np.arange(6).reshape(2, 3))
    activation(machine, dst, data, result, reduce_cmd=command)
    assert machine.accumulators[:2].tolist() == expected
    assert machine.view(result)[:, 0].tolist() == expected
    assert np.array_equal(machine.view(dst), x)


def test_result_over_the_destination_is_written_last():
    machine = Machine()
    data, dst = row_of(1, 3, 0), row_of(1, 3, 64)
    x = filled(machine, data, np.array([[1.0], [2.0], [3.0]]))
    machine.accumulators[:3] = 100.0
    activation(machine, dst, data, dst, reduce_cmd="reduce")
    assert np.array_equal(machine.view(dst), x + 100.0)
