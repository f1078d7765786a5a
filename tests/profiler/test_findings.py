"""Findings: every rule on a program that has the habit, and not on one that differs in just that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nki_sim.profiler.findings import RULES, Finding
from nki_sim.program.dtypes import DType, bfloat16, float32
from tests.profiler.programs import placed
from tests.support.ir import part
from tests.timing.building import Timed


def found(issue: Callable[[Timed], None]) -> dict[str, Finding]:
    build = Timed()
    issue(build)
    return {one.code: one for one in placed(build)[0].findings}


def loads(times: int, columns: int = 4096, dtype: DType = float32) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        source = build.input(128, columns, dtype=dtype, name="weights")
        for _ in range(times):
            build.move(build.sbuf(128, columns, dtype=dtype), part(source))

    return issue


def many_loads(mode: str) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        source = build.input(128, 16384, name="weights")
        for n in range(16):
            build.move(build.sbuf(128, 512), part(source, None, slice(n * 512, n * 512 + 512)), mode=mode)
            if mode == "none":
                build.by_vector(build.sbuf(128, 8192), build.sbuf(128, 8192), 2.0)

    return issue


def products(dtype: DType, times: int = 8, gap: int = 0) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        left, right = build.sbuf(128, 128, dtype=dtype), build.sbuf(128, 512, dtype=dtype)
        bank, slow = build.psum(128, 512), build.sbuf(128, 2048)
        for _ in range(times):
            build.product(bank, left, right)
            if gap:
                build.tensor_copy(part(slow, None, slice(0, 512)), bank)
                build.reciprocal(slow, slow)
                build.tensor_copy(part(right, None, slice(0, 128)), part(slow, None, slice(0, 128)))

    return issue


def through_tiles(number: int) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        source, out = build.input(128, 16384, name="x"), build.output(128, 16384)
        tiles = [build.sbuf(128, 2048, name="strip") for _ in range(number)]
        for n in range(8):
            tile, columns = tiles[n % number], slice(n * 2048, n * 2048 + 2048)
            build.move(tile, part(source, None, columns))
            build.by_vector(tile, tile, 2.0)
            build.move(part(out, None, columns), tile)

    return issue


def functions(*names: str) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        for name in names:
            build.act(build.sbuf(128, 512), build.sbuf(128, 512), name)

    return issue


def narrow(columns: int, rows: int = 128) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        for _ in range(8):
            build.by_vector(build.sbuf(rows, columns), build.sbuf(rows, columns), 2.0)

    return issue


def transposed(times: int) -> Callable[[Timed], None]:
    def issue(build: Timed) -> None:
        products(bfloat16)(build)
        for _ in range(times):
            build.transpose(build.psum(128, 128, dtype=bfloat16), build.sbuf(128, 128, dtype=bfloat16))

    return issue


PAIRS = {
    "reload": (loads(3), loads(1), "weights is loaded 3 times: 6 MiB read of a tensor of 2 MiB"),
    "small-transfer": (
        loads(1, columns=256),
        loads(1, columns=512),
        "1 of 1 transfers move less than 2 KiB in a row (1 KiB on average)",
    ),
    "busy-queue": (many_loads("hwdge"), many_loads("none"), "of the time to ask for 16 transfers"),
    "float32-matmul": (products(float32), products(bfloat16), "8 matmuls of float32 operands take"),
    "cold-clock": (products(bfloat16, 8), products(bfloat16, 600), "the Tensor engine loses"),
    "single-buffer": (through_tiles(1), through_tiles(8), "until the buffer of strip is free again"),
    "table-switch": (
        functions("exp", "tanh", "exp", "tanh"),
        functions("exp", "exp", "tanh", "tanh"),
        "loads a function table 4 times for 2 tables (exp, tanh take turns)",
    ),
    "small-free-dimension": (narrow(16), narrow(512), "8 instructions work on fewer than 64 elements per partition"),
    "idle-partitions": (narrow(512, rows=32), narrow(512), "use 32 of 128 partitions"),
    "transposes": (transposed(32), transposed(1), "of the Tensor engine's FLOPs only transpose data"),
}


@pytest.mark.parametrize("code", PAIRS)
def test_the_habit_is_found_and_its_absence_is_not(code: str) -> None:
    with_it, without, sentence = PAIRS[code]
    finding = found(with_it)[code]
    assert sentence in finding.message
    assert 0.0 < finding.share <= 1.0
    assert finding.evidence and finding.source
    assert finding.lines and all(span.file == __file__ for span in finding.lines)
    assert code not in found(without)


def test_every_rule_has_a_pair() -> None:
    assert len(PAIRS) == len(RULES)


def test_those_that_concern_most_come_first() -> None:
    build = Timed()
    products(float32)(build)
    loads(2, columns=64)(build)
    shares = [one.share for one in placed(build)[0].findings]
    assert len(shares) >= 3
    assert shares == sorted(shares, reverse=True)


def test_nothing_is_found_in_nothing() -> None:
    assert placed(Timed())[0].findings == []
