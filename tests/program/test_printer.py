"""The assembly of real kernels, held by golden files, and of operands one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import nki_sim.isa as nisa
import nki_sim.language as nl
from kernels import matmul, softmax
from nki_sim import kernel
from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.dtypes import bfloat16, float32, int32
from nki_sim.program.ir import Instruction, Loop, Register
from nki_sim.program.printer import format_operand, format_pattern, format_program
from tests.support.ir import Build

GOLDEN = Path(__file__).parent / "golden"


@kernel
def counts_to_a_register(limits, x):  # type: ignore[no-untyped-def]
    """A loop whose bound comes from memory, a `while`, a placed tile, a constant and a label."""
    result = nl.ndarray((4, 8), dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray((4, 8), dtype=nl.float32, buffer=nl.sbuf, address=(32, 4096), name="placed")
    bounds = nl.load(limits)
    stop = nisa.register_alloc()
    nisa.register_load(dst=stop, src=bounds)
    nisa.memset(dst=tile, value=0.0, name="clear")
    for i in nl.dynamic_range(0, stop, 2):
        nisa.dma_copy(dst=tile[0:1], src=x.select(0, i))
    again = nisa.register_alloc(1)
    while again:
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.add, operand0=1.0, op1=nl.maximum, operand1=0.5)
        nisa.register_move(dst=again, src=0)
    nisa.dma_copy(dst=result, src=tile)
    return result


def ones(*shape: int, dtype: Any = np.float32) -> Any:
    return np.ones(shape, dtype)


BF16 = ml_dtypes.bfloat16
PROGRAMS = {
    "softmax": lambda: softmax.softmax.program(ones(160, 64)),
    "matmul_basic": lambda: matmul.matmul_basic.program(ones(128, 64, dtype=BF16), ones(128, 512, dtype=BF16)),
    "loops": lambda: counts_to_a_register.program(np.full((1, 1), 8, np.int32), ones(4, 8)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name: str, golden: Callable[[Path, str], None]) -> None:
    program = PROGRAMS[name]()
    text = str(program)
    assert text == format_program(program)
    # Lines of the kernel library move when it is edited; which instruction came from where is other tests' business.
    golden(GOLDEN / f"{name}.txt", "\n".join(line.split("  ; ")[0].rstrip() for line in text.splitlines()) + "\n")


def test_each_line_ends_with_where_it_came_from() -> None:
    lines = str(PROGRAMS["loops"]()).splitlines()
    source = Path(__file__).read_text().splitlines()
    (clear,) = (line for line in lines if line.strip().startswith("memset"))
    file, _, number = clear.split("  ; ")[1].partition(":")
    assert file == Path(__file__).name
    assert 'name="clear"' in source[int(number) - 1]
    (loop,) = (line for line in lines if line.strip().startswith("loop "))
    assert "dynamic_range" in source[int(loop.rsplit(":", 1)[1]) - 1]


def test_patterns() -> None:
    build = Build()
    tile, rows, flat = build.sbuf(128, 64), build.sbuf(4, 1, dtype=int32), build.input(16, 64)
    register = Register(7)
    assert format_pattern(tile.whole()) == "%0[0:128][64x1]"
    assert format_pattern(AccessPattern(tile, float32, (32, 2, 8), 5, ((2, 3), (1, 2)))) == "%0[32:48:2][5+ 3x2 2x1]"
    assert format_pattern(AccessPattern(tile, float32, (3, 0, 8), 0, ((0, 4),))) == "%0[3:4:0 x8][4x0]"
    assert format_pattern(AccessPattern(tile, bfloat16, (0, 1, 1), 0, ())) == "%0[0:1][1]:bfloat16"
    assert format_pattern(AccessPattern(flat, float32, None, 64, ((64, 2), (1, 64)))) == "%2[64+ 2x64 64x1]"
    by_register = flat.whole().replace(dynamic=DynamicOffset(register, 64, 16))
    assert format_pattern(by_register) == "%2[r7*64+ 16x64 64x1]"
    by_tile = flat.whole().replace(dynamic=DynamicOffset(AccessPattern(rows, int32, (0, 1, 1), 0, ((1, 1),)), 2, 16))
    assert format_pattern(by_tile) == "%2[(%1[0:1][1x1])*2+ 16x64 64x1]"
    by_rows = flat.whole().replace(vector=VectorOffset(rows.whole(), 64, 16))
    assert format_pattern(by_rows) == "%2[rows(%1[0:4][1x1])*64+ 16x64 64x1]"
    assert repr(tile.whole()) == format_pattern(tile.whole())


@pytest.mark.parametrize(("operand", "text"), [(1.5, "1.5"), (3, "3"), (Register(2), "r2"), (None, "None")])
def test_other_operands(operand: Any, text: str) -> None:
    assert format_operand(operand) == text


def test_absent_operands_and_attributes_are_left_out() -> None:
    tile = Build().sbuf(4, 8).whole()
    one = Instruction(
        "activation",
        {"dst": tile, "data": tile, "bias": None, "scale": 1.0},
        {"op": "exp", "reduce_op": None},
        "scalar",
    )
    assert repr(one) == "activation dst=%0[0:4][8x1] data=%0[0:4][8x1] scale=1.0 {op=exp} @scalar"
    bare = Instruction("register_move", {"dst": Register(0), "src": 3}, {"unused": None}, "sync")
    assert repr(bare) == "register_move dst=r0 src=3 @sync"


def test_loops_are_indented() -> None:
    build = Build()
    x = build.sbuf(4, 8)
    with build.loop(3), build.loop(5, start=1):
        build.memset(x)
    build.program.body.append(Loop(condition=Register(9)))
    lines = [line.split("  ; ")[0].rstrip() for line in str(build.program).splitlines()]
    assert lines[2:] == [
        "  loop r0 = 0 to 3 step 1 {",
        "    loop r1 = 1 to 5 step 1 {",
        "      memset dst=%0[0:4][8x1] {value=0.0} @vector",
        "    }",
        "  }",
        "  while r9 {",
        "  }",
    ]
