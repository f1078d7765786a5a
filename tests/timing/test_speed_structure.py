"""What makes the timing model fast, by counting operations instead of seconds: linear growth, prices by form."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from functools import lru_cache
from types import FrameType
from typing import Any

import numpy as np
import pytest

import nki_sim.isa as nisa
import nki_sim.language as nl
from kernels.flash_attention import flash_attention
from kernels.matmul import matmul_blocked_free, matmul_tiled
from nki_sim import kernel
from nki_sim.memory import allocate
from nki_sim.program.ir import Instruction, Program
from nki_sim.targets import load
from nki_sim.timing import compiled, simulate
from nki_sim.timing.plan import Placement, Plan, prepare
from nki_sim.timing.schedule import Scheduler
from tests.timing.building import Timed, first_fit, part, tiled_matmul

TARGET = load("trn2")


def calls_of(action: Callable[[], Any]) -> int:
    """Calls of Python and C functions that `action` makes: its work, the same at every run."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def tiled(size: int) -> tuple[Program, Placement]:
    build = tiled_matmul(128 * size, 1024, 1024, dtype=nl.bfloat16)
    return build.program, first_fit(build, slots=3)


def packed(size: int) -> tuple[Program, Placement]:
    """The same, placed by the allocator: tiles of different sizes that overlap those before them in part."""
    program = tiled_matmul(128 * size, 1024, 1024, dtype=nl.bfloat16).program
    return program, allocate(program, TARGET).placement


def in_pieces(size: int) -> tuple[Program, Placement]:
    """One tile written in slices and read whole, over and over."""
    build = Timed()
    tile, result = build.sbuf(128, 2048), build.output(128, 2048)
    source = build.psum(128, 512)
    for _ in range(20 * size):
        for n in range(4):
            build.tensor_copy(part(tile, slice(0, 128), slice(n * 512, n * 512 + 512)), source)
        build.move(result, tile)
    return build.program, first_fit(build)


def pieces_of_many(size: int) -> tuple[Program, Placement]:
    """Tiles that take each other's place, each of them written in slices."""
    build = Timed()
    source = build.psum(128, 256)
    for _ in range(20 * size):
        tile = build.sbuf(128, 1024)
        for n in range(4):
            build.tensor_copy(part(tile, slice(0, 128), slice(n * 256, n * 256 + 256)), source)
        build.tensor_copy(source, part(tile, slice(0, 128), slice(0, 256)), "scalar")
    return build.program, first_fit(build, slots=2)


SHAPES = [tiled, packed, in_pieces, pieces_of_many]


@pytest.mark.parametrize("make", SHAPES)
def test_work_grows_with_the_instructions(make: Callable[[int], tuple[Program, Placement]]) -> None:
    few, many = make(4), make(16)
    assert len(many[0]) > 3.5 * len(few[0])
    work = [calls_of(lambda case=case: simulate(*case, TARGET)) / len(case[0]) for case in (few, many)]
    assert work[1] <= 1.1 * work[0]


@pytest.mark.parametrize("make", [tiled, in_pieces])
def test_memory_grows_with_the_instructions(make: Callable[[int], tuple[Program, Placement]]) -> None:
    def bytes_each(size: int) -> float:
        program, placement = make(size)
        tracemalloc.start()
        simulate(program, placement, TARGET)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes / len(program)

    bytes_each(1)  # fills caches
    assert bytes_each(48) <= 1.25 * bytes_each(16)


@kernel
def many_steps(x, steps):  # type: ignore[no-untyped-def]
    """A chain of 4 * `steps` instructions of four forms."""
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    one, two = nl.load(x), nl.load(x)
    for _ in range(steps):
        nisa.tensor_tensor(dst=two, data1=one, data2=two, op=nl.add)
        nisa.tensor_scalar(dst=one, data=two, op0=nl.multiply, operand0=0.5)
        nisa.activation(dst=two, data=one, op=nl.exp)
        nisa.tensor_copy(dst=one, src=two)
    nl.store(out, one)
    return out


def test_a_price_is_worked_out_once_for_all_instructions_recorded_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    from nki_sim.timing import costs

    asked: list[str] = []
    work = costs.CostTable.work

    def counted(self: costs.CostTable, instruction: Instruction) -> costs.Work:
        asked.append(instruction.op)
        return work(self, instruction)

    monkeypatch.setattr(costs.CostTable, "work", counted)
    program = many_steps.program(np.ones((128, 64), np.float32), 100)
    prepare(program, None, TARGET)
    assert len(program) > 400
    assert len(asked) <= 7


LIBRARY = [
    (matmul_tiled, [(256, 256), (256, 1024)]),
    (matmul_blocked_free, [(256, 256), (256, 2048)]),
    (flash_attention, [(512, 128)] * 3),
]


@pytest.mark.parametrize(("function", "shapes"), LIBRARY, ids=lambda one: getattr(one, "name", None))
def test_forms_change_nothing_but_speed(function: Any, shapes: list[tuple[int, ...]]) -> None:
    program = function.program(*[np.ones(shape, np.float32) for shape in shapes])
    placement = allocate(program, TARGET).placement
    fast = prepare(program, placement, TARGET)
    for instruction in program.instructions():
        assert instruction.form >= 0
        instruction.form = -1
        for operand in instruction.operands.values():
            if hasattr(operand, "region"):
                operand.region = None
    slow = prepare(program, placement, TARGET)
    assert (fast.works, fast.waits, fast.instances) == (slow.works, slow.waits, slow.instances)


@pytest.mark.parametrize(("function", "shapes"), LIBRARY, ids=lambda one: getattr(one, "name", None))
def test_compiling_changes_nothing_but_speed(function: Any, shapes: list[tuple[int, ...]]) -> None:
    program = function.program(*[np.ones(shape, np.float32) for shape in shapes])
    placement = allocate(program, TARGET).placement
    plans = [prepare(program, placement, TARGET, compiled=one) for one in (False, True)]
    assert plans[0].waits == plans[1].waits
    for hoisting in (False, True):
        python, code = (Scheduler(plans[0], hoisting=hoisting, compiled=one).run() for one in (False, True))
        assert python.rows.tobytes() == code.rows.tobytes()
        assert python.transfers.tobytes() == code.transfers.tobytes()
        assert (python.total_ns, python.slow_clock_ns) == (code.total_ns, code.slow_clock_ns)
        assert python.dma_busy_ns == code.dma_busy_ns


def test_python_does_it_until_loading_the_code_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "code", lru_cache(lambda: pytest.fail("loaded")))
    monkeypatch.setattr(compiled, "LOAD_INSTANCES", 1000)
    monkeypatch.setattr(compiled, "LOAD_CODE_INSTANCES", 1000)
    meter = compiled._Meter()
    assert [meter.is_over(400) for _ in range(3)] == [False, False, True]


def test_python_leaves_all_to_the_code_once_that_is_loaded() -> None:
    compiled.code()
    assert compiled._Meter().is_over(1)


@kernel
def counted_loop(x):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    for i in nl.dynamic_range(x.shape[0] // 128):
        tile = nl.ndarray((128, x.shape[1]), x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x.reshape((x.shape[0] // 128, 128, x.shape[1]))[i])
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=out.reshape((x.shape[0] // 128, 128, x.shape[1]))[i], src=tile)
    return out


def plan_of_loop(passes: int) -> Plan:
    program = counted_loop.program(np.ones((128 * passes, 8), np.float32))
    return prepare(program, allocate(program, TARGET).placement, TARGET)


def test_a_loop_of_a_thousand_passes_costs_no_more_per_pass_than_a_short_one() -> None:
    assert len(plan_of_loop(1000).instances) == 4 * 1000
    short, long = (calls_of(lambda passes=passes: plan_of_loop(passes)) for passes in (100, 1100))
    shorter = calls_of(lambda: plan_of_loop(10))
    assert (long - short) / 1000 <= 1.2 * (short - shorter) / 90
