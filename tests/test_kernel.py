"""Kernel: calling, checking, options, caching, what happens to arguments, and what is said when a call is wrong."""

from __future__ import annotations

import threading
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import DtypeError, KernelError, LanguageError, NotImplementedYet, ShapeError, kernel
from nki_sim.program.dtypes import from_float32
from nki_sim.specialisation import Specialisation

ENGINES = ["reference", "jit"]


@kernel
def scaled(x, factor=2.0):  # type: ignore[no-untyped-def]
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=factor)
    nl.store(out, tile)
    return out


@kernel
def negates_its_argument(x):  # type: ignore[no-untyped-def]
    nl.store(x, nl.negative(nl.load(x)))


@kernel
def halves(x):  # type: ignore[no-untyped-def]
    width = x.shape[1] // 2
    left = nl.ndarray((x.shape[0], width), x.dtype, buffer=nl.shared_hbm)
    right = nl.ndarray((x.shape[0], width), x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    nl.store(left, tile[:, 0:width])
    nl.store(right, tile[:, width : 2 * width])
    return left, right.reshape((width, x.shape[0]))


def ones(*shape: int, dtype: Any = np.float32) -> Any:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("engine", ENGINES)
def test_results_come_back_as_the_kernel_returned_them(engine: str) -> None:
    x = ones(4, 6)
    one = scaled.with_options(engine=engine)(x)
    np.testing.assert_array_equal(one, 2 * x)
    left, right = halves.with_options(engine=engine)(x)
    np.testing.assert_array_equal(left, x[:, :3])
    np.testing.assert_array_equal(right, np.ascontiguousarray(x[:, 3:]).reshape(3, 4))
    assert negates_its_argument.with_options(engine=engine)(x.copy()) is None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "strided"])
def test_arguments_change_only_when_the_kernel_writes_them(engine: str, layout: str) -> None:
    base = ones(8, 12)
    x = {"contiguous": base[:4, :6].copy(), "transposed": base[:6, :4].T, "strided": base[::2, ::2]}[layout]
    before = x.copy()
    scaled.with_options(engine=engine)(x)
    np.testing.assert_array_equal(x, before)
    negates_its_argument.with_options(engine=engine)(x)
    np.testing.assert_array_equal(x, -before)


def test_a_result_does_not_change_with_the_next_call() -> None:
    first = scaled(ones(4, 6))
    kept = first.copy()
    scaled(ones(4, 6) + 1)
    np.testing.assert_array_equal(first, kept)


def test_static_arguments_and_globals_are_part_of_what_a_specialisation_depends_on() -> None:
    x = ones(4, 6)
    np.testing.assert_array_equal(scaled(x, 3.0), 3 * x)
    np.testing.assert_array_equal(scaled(x, factor=-1.0), -x)
    factor = [5.0]

    @kernel
    def by_closure(x):  # type: ignore[no-untyped-def]
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.multiply(nl.load(x), factor[0]))
        return out

    np.testing.assert_array_equal(by_closure(x), 5 * x)
    factor[0] = 7.0
    np.testing.assert_array_equal(by_closure(x), 7 * x)


def test_a_second_call_does_not_build_the_kernel_again(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    build = Specialisation.build
    monkeypatch.setattr(Specialisation, "build", lambda *args: built.append(args) or build(*args))
    fresh = scaled.with_options()
    fresh(ones(3, 5))
    fresh(ones(3, 5) + 1)
    assert len(built) == 1
    fresh(ones(5, 3))
    fresh(ones(3, 5), 3.0)
    assert len(built) == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.int32, np.uint8, np.int8, np.bool_])
def test_every_array_type_travels_through(dtype: Any) -> None:
    @kernel
    def copies(x):  # type: ignore[no-untyped-def]
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.load(x))
        return out

    x = (ones(5, 7) % 2).astype(dtype)
    result = copies(x)
    assert result.dtype == x.dtype
    np.testing.assert_array_equal(result, x)


@pytest.mark.parametrize("memory", ["shared", "separate"])
@pytest.mark.parametrize("engine", ENGINES)
def test_separate_memory_tells_aliasing_from_arithmetic(engine: str, memory: str) -> None:
    @kernel(engine=engine, memory=memory)
    def aliases(x):  # type: ignore[no-untyped-def]
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        first = nl.ndarray(x.shape, x.dtype, buffer=nl.sbuf, address=(0, 0))
        nisa.dma_copy(dst=first, src=x)
        doubled = nl.add(first, first)
        second = nl.ndarray(x.shape, x.dtype, buffer=nl.sbuf, address=(0, 0))
        nisa.memset(dst=second, value=1.0)
        nl.store(out, nl.add(doubled, second))
        return out

    x = ones(4, 6)
    np.testing.assert_array_equal(aliases(x), 2 * x + 1)


def test_separate_memory_may_exceed_the_device() -> None:
    @kernel
    def large(x):  # type: ignore[no-untyped-def]
        tiles = []
        for _ in range(5):
            tile = nl.ndarray((128, 16384), nl.float32)
            nisa.dma_copy(dst=tile, src=x)
            tiles.append(tile)
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        for tile in tiles[1:]:
            nisa.tensor_tensor(dst=tiles[0], data1=tiles[0], data2=tile, op=nl.add)
        nl.store(out, tiles[0])
        return out

    x = np.ones((128, 16384), np.float32)
    with pytest.raises(KernelError, match="capacity"):
        large(x)
    for engine in ENGINES:
        assert large.with_options(memory="separate", engine=engine)(x)[3, 5] == 5.0


@pytest.mark.parametrize("engine", ENGINES)
def test_without_rounding_a_sum_in_bfloat16_keeps_float32(engine: str) -> None:
    @kernel(engine=engine)
    def adds_up(x):  # type: ignore[no-untyped-def]
        out = nl.ndarray((x.shape[0], 1), nl.bfloat16, buffer=nl.shared_hbm)
        total = nl.zeros((x.shape[0], 1), nl.bfloat16)
        tile = nl.load(x)
        for i in range(x.shape[1]):
            nisa.tensor_tensor(dst=total, data1=total, data2=tile[:, i : i + 1], op=nl.add)
        nl.store(out, total)
        return out

    x = from_float32(np.full((3, 400), 1.0, np.float32), nl.bfloat16)
    assert adds_up(x)[0, 0] == 256, "1 is lost beside 256 in bfloat16"
    exact = adds_up.with_options(precise=False)(x)
    assert exact[0, 0] == 400
    assert exact.dtype == np.float32


def test_a_kernel_called_inside_a_kernel_is_a_plain_function() -> None:
    @kernel
    def twice(x):  # type: ignore[no-untyped-def]
        return scaled(scaled(x, 3.0), 2.0)

    np.testing.assert_array_equal(twice(ones(4, 6)), 6 * ones(4, 6))


def test_two_threads_may_call_one_kernel() -> None:
    results: dict[int, Any] = {}

    def work(number: int) -> None:
        for _ in range(20):
            results[number] = scaled(np.full((16, 40), number, np.float32))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, result in results.items():
        np.testing.assert_array_equal(result, 2.0 * number)


def test_wrong_arguments_are_said_plainly() -> None:
    with pytest.raises(DtypeError, match=r"argument x is float64.*\n.*\n.*fix: pass x.astype\(np.float32\)"):
        scaled(np.zeros((4, 6)))
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        scaled()
    with pytest.raises(ShapeError, match="without elements"):
        scaled(np.zeros((0, 6), np.float32))
    with pytest.raises(ValueError, match="engine is 'gpu'"):
        scaled.with_options(engine="gpu")
    with pytest.raises(ValueError, match="unknown target 'trn9'"):
        kernel(target="trn9")(scaled.function)
    with pytest.raises(TypeError, match="takes a Python function"):
        kernel(3)  # type: ignore[call-overload]
    with pytest.raises(NotImplementedYet, match="one program on one core"):
        scaled[2](ones(4, 6))
    np.testing.assert_array_equal(scaled[1](ones(4, 6)), 2 * ones(4, 6))


def test_an_exception_of_the_kernels_own_keeps_its_type_and_check_reports_it() -> None:
    @kernel
    def asserts(x):  # type: ignore[no-untyped-def]
        assert x.shape[0] == 128, f"expected 128 rows, got {x.shape[0]}"
        return x

    with pytest.raises(AssertionError, match="expected 128 rows, got 4"):
        asserts(ones(4, 6))
    (found,) = asserts.check(ones(4, 6))
    assert found.code == "kernel-exception"
    assert "expected 128 rows, got 4" in found.message
    assert found.span is not None
    assert found.span.text.strip().startswith("assert x.shape[0]")


def test_a_kernel_without_source_says_what_to_do() -> None:
    namespace: dict[str, Any] = {}
    exec("def typed(x):\n    return x\n", namespace)
    with pytest.raises(LanguageError, match=r"put the kernel in a \.py file"):
        kernel(namespace["typed"])(ones(4, 6))


@pytest.mark.parametrize("engine", ENGINES)
def test_printing_happens_when_it_should(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    @kernel(engine=engine)
    def prints(x):  # type: ignore[no-untyped-def]
        print("built for", x.shape)
        tile = nl.load(x)
        nl.device_print("tile", tile)
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, tile)
        return out

    prints(ones(2, 3))
    first = capsys.readouterr().out
    assert first.startswith("built for (2, 3)\n")
    assert "tile" in first and "5." in first
    prints(ones(2, 3))
    assert "built" not in capsys.readouterr().out


@pytest.mark.parametrize("engine", ENGINES)
def test_device_loops_run_as_often_as_they_say(engine: str) -> None:
    @kernel(engine=engine)
    def sums_rows(x, count):  # type: ignore[no-untyped-def]
        out = nl.ndarray((1, x.shape[1]), x.dtype, buffer=nl.shared_hbm)
        total = nl.zeros((1, x.shape[1]), x.dtype)
        number = nl.load(count)
        register = nisa.register_alloc(0)
        nisa.register_load(register, number)
        row = nl.ndarray((1, x.shape[1]), x.dtype)
        for i in nl.dynamic_range(register):
            nisa.dma_copy(dst=row, src=x.ap([[x.shape[1], 1], [1, x.shape[1]]], scalar_offset=i, indirect_dim=0))
            nisa.tensor_tensor(dst=total, data1=total, data2=row, op=nl.add)
        nl.store(out, total)
        return out

    x = ones(9, 5)
    for count in (0, 1, 4, 9):
        counter = np.array([[count]], np.int32)
        np.testing.assert_array_equal(sums_rows(x, counter), x[:count].sum(0, keepdims=True))
        assert sums_rows.profile(x, counter).total_ns > 0

    @kernel(engine=engine)
    def counts_down(start):  # type: ignore[no-untyped-def]
        out = nl.ndarray((1, 1), nl.int32, buffer=nl.shared_hbm)
        left = nl.load(start)
        steps = nl.zeros((1, 1), nl.int32)
        register = nisa.register_alloc(0)
        nisa.register_load(register, left)
        while register:
            nisa.tensor_scalar(dst=left, data=left, op0=nl.subtract, operand0=1)
            nisa.tensor_scalar(dst=steps, data=steps, op0=nl.add, operand0=2)
            nisa.register_load(register, left)
        nl.store(out, steps)
        return out

    @kernel(engine=engine)
    def writes_its_argument(x, count):  # type: ignore[no-untyped-def]
        register = nisa.register_alloc(0)
        nisa.register_load(register, nl.load(count))
        tile = nl.load(x)
        for _ in nl.dynamic_range(register):
            nisa.tensor_scalar(dst=tile, data=tile, op0=nl.add, operand0=1.0)
        nl.store(x, tile)

    counted = ones(2, 3)
    assert writes_its_argument.profile(counted, np.array([[4]], np.int32)).total_ns > 0
    np.testing.assert_array_equal(counted, ones(2, 3))

    for start in (0, 1, 6):
        assert counts_down(np.array([[start]], np.int32))[0, 0] == 2 * start


def test_the_counter_of_a_device_loop_cannot_be_written_or_computed_with() -> None:
    @kernel
    def writes(x):  # type: ignore[no-untyped-def]
        for i in nl.dynamic_range(3):
            nisa.register_move(i, 0)

    with pytest.raises(LanguageError, match="counts a device loop"):
        writes(ones(4, 6))

    @kernel
    def computes(x):  # type: ignore[no-untyped-def]
        for i in nl.dynamic_range(3):
            nl.load(x[i + 1])

    with pytest.raises(LanguageError, match="no arithmetic"):
        computes(ones(4, 6))

    @kernel
    def branches(x):  # type: ignore[no-untyped-def]
        register = nisa.register_alloc(1)
        if register:
            nl.load(x)

    with pytest.raises(LanguageError, match="register"):
        branches(ones(4, 6))


def test_numpy_numbers_serve_as_attributes() -> None:
    @kernel
    def fills(x):  # type: ignore[no-untyped-def]
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        tile = nl.ndarray(x.shape, x.dtype)
        nisa.memset(dst=tile, value=np.float32(2))
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=np.float64(3))
        nl.store(out, tile)
        return out

    assert (fills(ones(4, 6)) == 6).all()


def test_a_tensor_kept_from_another_call_is_refused() -> None:
    kept: dict[str, Any] = {}

    @kernel
    def keeps(x):  # type: ignore[no-untyped-def]
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        kept["tile"] = nl.load(x)
        kept["out"] = out
        nl.store(out, kept["tile"])
        return out

    @kernel
    def uses(x):  # type: ignore[no-untyped-def]
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.load(x)
        nl.store(out, kept["tile"])
        return out

    @kernel
    def returns(x):  # type: ignore[no-untyped-def]
        return kept["out"]

    keeps(ones(4, 6))
    for wrong in (uses, returns):
        with pytest.raises(LanguageError, match="of another kernel call"):
            wrong(ones(4, 6))


def test_an_argument_that_must_not_be_written_is_refused() -> None:
    frozen = ones(4, 6)
    frozen.setflags(write=False)
    with pytest.raises(LanguageError, match="read-only"):
        negates_its_argument(frozen)

    @kernel
    def copies_over(x, y):  # type: ignore[no-untyped-def]
        nl.store(y, nl.load(x))

    both = ones(4, 6)
    with pytest.raises(LanguageError, match="share memory"):
        copies_over(both, both)
    other = np.zeros_like(both)
    copies_over(both, other)
    np.testing.assert_array_equal(other, both)


def test_a_returned_argument_is_a_copy() -> None:
    @kernel
    def returns_its_argument(x):  # type: ignore[no-untyped-def]
        return x

    x = ones(4, 6)
    assert not np.shares_memory(returns_its_argument(x), x)


def test_the_error_stands_before_the_notes_of_the_same_pass() -> None:
    @kernel
    def notes_then_fails(x, scale=None):  # type: ignore[no-untyped-def]
        factor = 1.0 if scale is None else scale
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.multiply(nl.load(x), factor)[:, 0:1])
        return out

    with pytest.raises(KernelError) as caught:
        notes_then_fails(ones(4, 6))
    severities = [d.severity for d in caught.value.diagnostics]
    assert severities[0] == "error" and "note" in severities
