"""The dependence tracker against brute force on random small programs: on top of each other, strided, in pieces."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import bfloat16, float32, int8
from nki_sim.program.ir import TensorDecl
from nki_sim.targets import load
from nki_sim.timing import simulate
from nki_sim.timing.lanes import ENGINES
from nki_sim.timing.plan import prepare
from nki_sim.timing.schedule import Scheduler
from tests.timing.brute_force import conflicts
from tests.timing.building import Timed

Case = tuple[Timed, dict[int, tuple[int, int]] | None]


@st.composite
def patterns(draw: st.DrawFn, tensor: TensorDecl) -> AccessPattern:
    """A rectangle of the tensor with steps, sometimes with a repeated or reversed dimension."""

    def cut(size: int) -> tuple[int, int, int]:
        start = draw(st.integers(0, size - 1))
        step = draw(st.sampled_from([1, 1, 2, 3]))
        return start, step, draw(st.integers(1, (size - 1 - start) // step + 1))

    first, first_step, rows = cut(tensor.shape[0])
    start, step, columns = cut(tensor.shape[1])
    width = tensor.shape[1]
    if tensor.space == "hbm":
        dims = ((first_step * width, rows), (step, columns))
        return AccessPattern(tensor, tensor.dtype, None, first * width + start, dims)
    dims = draw(st.sampled_from([((step, columns),), ((0, 2), (step, columns)), ((step, columns), (1, 1))]))
    if draw(st.booleans()):
        start, dims = start + step * (columns - 1), tuple((-s, n) if s == step else (s, n) for s, n in dims)
    return AccessPattern(tensor, tensor.dtype, (first, first_step, rows), start, dims)


@st.composite
def programs(draw: st.DrawFn) -> Case:
    """Up to twelve copies between a few tensors; on-chip ones lie on top of each other in half of the programs."""
    build = Timed()
    placed = draw(st.booleans())
    placement: dict[int, tuple[int, int]] = {}
    tensors = [build.output(4, 6, dtype=float32), build.tensor("hbm", (5, 4), dtype=bfloat16)]
    for _ in range(draw(st.integers(1, 5))):
        space = draw(st.sampled_from(["sbuf", "sbuf", "psum"]))
        shape = (draw(st.integers(1, 4)), draw(st.integers(1, 8)))
        made = build.tensor(space, shape, dtype=draw(st.sampled_from([float32, bfloat16, int8])))
        placement[made.index] = (draw(st.integers(0, 3)), draw(st.integers(0, 12)))
        tensors.append(made)
    for _ in range(draw(st.integers(2, 12))):
        dst, src = draw(patterns(draw(st.sampled_from(tensors)))), draw(patterns(draw(st.sampled_from(tensors))))
        if dst.tensor.space == "hbm" or src.tensor.space == "hbm" or draw(st.booleans()):
            build.move(dst, src, mode=draw(st.sampled_from(["none", "swdge"])))
        else:
            build.tensor_copy(dst, src, draw(st.sampled_from(["vector", "scalar", "gpsimd"])))
    return build, placement if placed else None


@settings(max_examples=100, deadline=None)
@given(programs())
def test_every_consumer_starts_after_its_producers(case: Case) -> None:
    build, placement = case
    timeline = simulate(build.program, placement, load("trn2"))
    starts, ends, lanes = {}, {}, {}
    for row in timeline.rows:
        number = int(row["instruction"])
        starts.setdefault(number, row["start_ns"])
        ends[number], lanes[number] = row["end_ns"], row["lane"]
    for (earlier, later), value in conflicts(build.program, placement).items():
        if not value and lanes[earlier] == lanes[later] < ENGINES:
            assert starts[earlier] < starts[later]
        else:
            assert starts[later] >= ends[earlier], (earlier, later)


@settings(max_examples=100, deadline=None)
@given(programs())
def test_no_dependence_without_a_shared_byte(case: Case) -> None:
    build, placement = case
    real = conflicts(build.program, placement)
    plan = prepare(build.program, placement, load("trn2"))
    claimed = {(code >> 1, later) for later, codes in enumerate(plan.waits) for code in codes}
    # Only pieces with gaps that stick out of the tensor that takes their place may be claimed in vain.
    assert placement is not None or claimed <= real.keys()
    if all(_gapless(one) for instruction in build.program.instructions() for one in instruction.operands.values()):
        assert claimed <= real.keys()


@settings(max_examples=200, deadline=None)
@given(programs())
def test_compiled_code_finds_what_python_finds(case: Case) -> None:
    build, placement = case
    python, code = (prepare(build.program, placement, load("trn2"), compiled=one) for one in (False, True))
    assert python.waits == code.waits


@settings(max_examples=100, deadline=None)
@given(programs(), st.sampled_from(["trn1", "trn2", "trn3"]), st.booleans())
def test_compiled_code_keeps_the_time_python_keeps(case: Case, target: str, hoisting: bool) -> None:
    """Ports are shared on trn1 by all that Vector and GpSimd do, on the others by modes of bfloat16."""
    build, placement = case
    plan = prepare(build.program, placement, load(target))
    python, code = (Scheduler(plan, hoisting=hoisting, compiled=one).run() for one in (False, True))
    assert python.rows.tobytes() == code.rows.tobytes()
    assert python.transfers.tobytes() == code.transfers.tobytes()


def _gapless(pattern: object) -> bool:
    assert isinstance(pattern, AccessPattern)
    steps = [s for s, n in pattern.dims if n > 1 and s] + ([] if pattern.partition is None else [pattern.partition[1]])
    return all(abs(s) == 1 for s in steps) and pattern.on_chip


def interleaved(step: int) -> Callable[[Timed, TensorDecl], None]:
    def issue(build: Timed, tile: TensorDecl) -> None:
        even = AccessPattern(tile, tile.dtype, (0, 1, 4), 0, ((step, 4),))
        odd = AccessPattern(tile, tile.dtype, (0, 1, 4), 1, ((step, 4),))
        build.tensor_copy(even, build.sbuf(4, 4), "vector")
        build.tensor_copy(build.sbuf(4, 4), odd, "scalar")

    return issue


def test_interleaved_columns_are_independent() -> None:
    for step, dependent in ((2, False), (1, True)):
        build = Timed()
        interleaved(step)(build, build.sbuf(4, 8))
        waits = prepare(build.program, None, load("trn2")).waits
        assert bool(waits[1]) is dependent


def test_records_of_a_reused_buffer_do_not_pile_up() -> None:
    """A tile written in slices and stored whole, over and over: the work per step must not grow."""
    build = Timed()
    tile, result = build.sbuf(128, 2048), build.output(128, 2048)
    source = build.psum(128, 512)
    for _ in range(50):
        for n in range(4):
            build.tensor_copy(AccessPattern(tile, float32, (0, 1, 128), n * 512, ((1, 512),)), source)
        build.move(result, tile)
    waits = prepare(build.program, None, load("trn2")).waits
    assert max(len(one) for one in waits[-10:]) <= 3
