"""The JIT's runner: loops, stops, prints, reuse of memories, threads, and what a table costs."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nki_sim.diagnostics.model import BoundsError, NotImplementedYet, UndocumentedBehaviour, UninitialisedError
from nki_sim.engines import jit, reference
from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.dtypes import dtype_of
from nki_sim.program.ir import Instruction, Loop, TensorDecl
from nki_sim.targets import load
from tests.support.programs import Builder, tile

FLOAT32, INT32 = dtype_of("float32"), dtype_of("int32")
TENSOR_SCALAR = {"op0": "multiply", "reverse0": False, "op1": "add", "reverse1": False, "engine": None}


def scaled(out: TensorDecl, factor: float, offset: float) -> Instruction:
    operands = {"dst": out.whole(), "data": out.whole(), "operand0": factor, "operand1": offset}
    return Instruction("tensor_scalar", operands, TENSOR_SCALAR, "vector")


def test_instructions_that_differ_in_place_and_constants_share_code() -> None:
    builder = Builder()
    tiles = [builder.add_tile(tile(np.ones((4, 24), np.float32)))[0] for _ in range(6)]
    for number, one in enumerate(tiles * 50):
        builder.program.body.append(scaled(one, 0.5 + number % 7, float(number)))
    runner = jit.prepare(builder.program, builder.placement, load("trn2"))
    assert sum(signature.op == "tensor_scalar" for signature in runner.table.signatures) == 1
    assert len(runner.table.rows) == len(builder.program)
    outputs = [builder.bring_back(one) for one in tiles]
    found = {}
    for engine in (jit, reference):
        builder.run(engine.prepare)
        found[engine] = [builder.hbm[out.index].copy() for out in outputs]
    for one, other in zip(found[jit], found[reference], strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 5, 1), (3, 4, 1), (2, 2, 1), (5, 1, 1), (0, 10, 3)])
def test_counted_loops_make_the_passes_of_range(start: int, stop: int, step: int) -> None:
    builder = Builder()
    decl, _, _ = builder.add_tile(tile(np.ones((2, 3), np.float32)))
    loop = Loop(body=[scaled(decl, 2.0, 1.0)], register=builder.register(), start=start, stop=stop, step=step)
    builder.program.body.append(loop)
    out = builder.bring_back(decl)
    runner = jit.prepare(builder.program, builder.placement, load("trn2"))
    for _ in range(2):
        runner(builder.hbm, print)
        passes = len(range(start, stop, step))
        assert runner.trips == {id(loop): passes}
        assert (builder.hbm[out.index] == 2.0**passes * 2 - 1).all()


def test_loops_nest_and_use_registers_for_bounds() -> None:
    builder = Builder()
    count, outer, inner = (builder.register() for _ in range(3))
    counts, _, _ = builder.add_tile(tile(np.array([[3]], np.int32)))
    decl, _, _ = builder.add_tile(tile(np.zeros((1, 1), np.float32)))
    builder.emit("register_load", {"dst": count, "src": counts.whole()}, {}, "sync")
    within = Loop(body=[scaled(decl, 1.0, 1.0)], register=inner, start=outer, stop=count)
    # The body overwrites the register that bounds the outer loop: bounds are read once, on entry.
    disturb = Instruction("register_move", {"dst": count, "src": 4}, {}, "sync")
    around = Loop(body=[within, disturb], register=outer, stop=count)
    builder.program.body.append(around)
    out = builder.bring_back(decl)
    for engine in (jit, reference):
        runner = engine.prepare(builder.program, builder.placement, load("trn2"))
        runner(builder.hbm, print)
        assert runner.trips == {id(around): 3, id(within): 3 + 3 + 2}
        assert builder.hbm[out.index].item() == 8.0


def test_a_conditional_loop_tests_before_each_pass() -> None:
    builder = Builder()
    condition, never = builder.register(), builder.register()
    left, _, _ = builder.add_tile(tile(np.array([[5]], np.int32)))
    for register, value in ((condition, 1), (never, 0)):
        builder.emit("register_move", {"dst": register, "src": value}, {}, "sync")
    body = [
        scaled(left, 1.0, -1.0),
        Instruction("register_load", {"dst": condition, "src": left.whole()}, {}, "sync"),
    ]
    loop, skipped = Loop(body=body, condition=condition), Loop(body=[scaled(left, 0.0, 9.0)], condition=never)
    builder.program.body += [loop, skipped]
    out = builder.bring_back(left)
    runner = jit.prepare(builder.program, builder.placement, load("trn2"))
    runner(builder.hbm, print)
    assert runner.trips == {id(loop): 5, id(skipped): 0}
    assert builder.hbm[out.index].item() == 0


def gathering(indices: list[int], oob_mode: str) -> tuple[Builder, TensorDecl]:
    """A gather of rows of a (6, 4) HBM tensor whose element is its number; dst holds -1 before."""
    builder = Builder()
    source = builder.tensor("hbm", (6, 4), FLOAT32, "input")
    builder.hbm[source.index] = np.arange(24, dtype=np.float32).reshape(6, 4)
    index, _, _ = builder.add_tile(tile(np.array(indices, np.int32)[:, None]))
    dst, _, _ = builder.add_tile(tile(np.full((len(indices), 4), -1, np.float32)))
    rows = VectorOffset(index.whole(), 4, 6)
    src = AccessPattern(source, FLOAT32, None, 0, ((4, len(indices)), (1, 4)), vector=rows)
    builder.emit("dma_copy", {"dst": dst.whole(), "src": src}, {"oob_mode": oob_mode}, "dma")
    return builder, builder.bring_back(dst)


def test_rows_out_of_bounds_are_skipped_on_request() -> None:
    builder, out = gathering([5, -1, 2, 6, 0], "skip")
    builder.run(jit.prepare)
    whole = np.arange(24, dtype=np.float32).reshape(6, 4)
    assert np.array_equal(builder.hbm[out.index], [whole[5], [-1] * 4, whole[2], [-1] * 4, whole[0]])


def test_rows_out_of_bounds_are_an_error_that_names_each() -> None:
    found = []
    for engine in (jit, reference):
        builder, _ = gathering([5, -1, 2, 6, 0], "error")
        with pytest.raises(BoundsError) as raised:
            builder.run(engine.prepare)
        found.append([one.message for one in raised.value.diagnostics])
    assert len(found[0]) == 2 and found[0] == found[1]


@pytest.mark.parametrize(("value", "fits"), [(0, True), (4, True), (5, False), (6, False), (-1, False)])
def test_a_dynamic_start_may_not_run_past_the_end(value: int, fits: bool) -> None:
    builder = Builder()
    source = builder.tensor("hbm", (6, 4), FLOAT32, "input")
    builder.hbm[source.index] = np.arange(24, dtype=np.float32).reshape(6, 4)
    register = builder.register()
    builder.emit("register_move", {"dst": register, "src": value}, {}, "sync")
    dst, _, _ = builder.add_tile(tile(np.full((2, 4), -1, np.float32)))
    src = AccessPattern(source, FLOAT32, None, 0, ((4, 2), (1, 4)), dynamic=DynamicOffset(register, 4, 6))
    builder.emit("dma_copy", {"dst": dst.whole(), "src": src}, {"oob_mode": "error"}, "dma")
    out = builder.bring_back(dst)
    if fits:
        builder.run(jit.prepare)
        assert np.array_equal(builder.hbm[out.index], builder.hbm[source.index][value : value + 2])
    else:
        with pytest.raises(BoundsError) as raised:
            builder.run(jit.prepare)
        assert len(raised.value.diagnostics) == 1


def test_prints_come_in_order_and_the_program_goes_on() -> None:
    builder = Builder()
    decl, _, _ = builder.add_tile(tile(np.ones((1, 2), np.float32)))
    shown = Instruction("device_print", {"tensor": decl.whole()}, {"print_prefix": "x ="}, "sync")
    builder.program.body.append(Loop(body=[scaled(decl, 2.0, 0.0), shown], register=builder.register(), stop=3))
    out = builder.bring_back(decl)
    lines = builder.run(jit.prepare)
    assert lines == ["x = [[2. 2.]]", "x = [[4. 4.]]", "x = [[8. 8.]]"]
    assert (builder.hbm[out.index] == 8).all()


@pytest.mark.parametrize("where", ["instruction", "loop"])
def test_an_unwritten_register_stops_the_run_when_it_is_read(where: str) -> None:
    messages = []
    for engine in (jit, reference):
        builder = Builder()
        decl, _, _ = builder.add_tile(tile(np.zeros((1, 1), np.int32)))
        register = builder.register()
        read = Instruction("register_store", {"dst": decl.whole(), "src": register}, {}, "sync")
        builder.program.body.append(read if where == "instruction" else Loop(body=[], condition=register))
        with pytest.raises(UninitialisedError) as raised:
            builder.run(engine.prepare)
        messages.append([one.message for one in raised.value.diagnostics])
    assert messages[0] == messages[1]


def test_an_unwritten_register_in_a_loop_that_never_runs_is_no_error() -> None:
    builder = Builder()
    decl, _, _ = builder.add_tile(tile(np.zeros((1, 1), np.int32)))
    read = Instruction("register_store", {"dst": decl.whole(), "src": builder.register()}, {}, "sync")
    builder.program.body.append(Loop(body=[read], register=builder.register(), stop=0))
    assert builder.run(jit.prepare) == []


def test_unknown_instructions_and_undocumented_uses_are_named() -> None:
    builder = Builder()
    builder.emit("no_such_instruction", {}, {}, "vector")
    with pytest.raises(NotImplementedYet) as raised:
        jit.prepare(builder.program, builder.placement, load("trn2"))
    assert "no_such_instruction" in raised.value.diagnostics[0].message
    builder = Builder()
    decl, _, _ = builder.add_tile(tile(np.zeros((1, 1), np.float32)))
    builder.emit("register_load", {"dst": builder.register(), "src": decl.whole()}, {}, "sync")
    with pytest.raises(UndocumentedBehaviour):
        jit.prepare(builder.program, builder.placement, load("trn2"))


def test_threads_run_one_program_with_memories_of_their_own() -> None:
    builder = Builder()
    source = builder.tensor("hbm", (64, 256), FLOAT32, "input")
    on_chip = builder.tensor("sbuf", (64, 256), FLOAT32)
    out = builder.tensor("hbm", (64, 256), FLOAT32, "output")
    builder.copy(on_chip, source)
    builder.program.body += [scaled(on_chip, 1.5, 1.0) for _ in range(20)]
    builder.copy(out, on_chip)
    runner = jit.prepare(builder.program, builder.placement, load("trn2"))
    wrong: list[int] = []

    def work(seed: int) -> None:
        for turn in range(10):
            values = np.random.default_rng(seed + turn).standard_normal((64, 256)).astype(np.float32)
            hbm = {source.index: values, out.index: np.zeros_like(values)}
            runner(hbm, print)
            expected = values
            for _ in range(20):
                expected = expected * np.float32(1.5) + np.float32(1.0)
            if not np.array_equal(hbm[out.index], expected):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_hbm_arrays_have_to_be_contiguous() -> None:
    builder = Builder()
    source = builder.tensor("hbm", (4, 8), FLOAT32, "input")
    builder.copy(builder.tensor("sbuf", (4, 8), FLOAT32), source)
    runner = jit.prepare(builder.program, builder.placement, load("trn2"))
    with pytest.raises(ValueError, match="C-contiguous"):
        runner({source.index: np.zeros((8, 4), np.float32).T}, print)
