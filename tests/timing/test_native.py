"""Compiled Python against Python: every construct that is translated, and what is refused."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.timing.native.kinds import NotUnderstood
from nki_sim.timing.native.link import Memory, load
from nki_sim.timing.native.translate import module_text

BASE = 7


@dataclass(slots=True, eq=False)
class Link:
    number: int
    even: bool = False
    next: Link | None = None


@dataclass(slots=True, eq=False)
class Chain:
    values: list[int]
    links: list[Link | None]
    is_wanted: Callable[[int], bool]
    first: Link | None = None


def start(values: list[int], links: list[Link | None], is_wanted: Callable[[int], bool]) -> Chain:
    return Chain(values, links, is_wanted)


def half(number: int) -> int:
    return number // 2


def is_even(number: int) -> bool:
    return half(number) * 2 == number


def collect(chain: Chain, count: int) -> int:
    """Links the wanted values, in reverse; how many there are."""
    made = 0
    for place in range(count):
        value = chain.values[place]
        if not chain.is_wanted(value):
            continue
        chain.first = Link(value, is_even(value), chain.first)
        chain.links[place] = chain.first
        made += 1
    return made


def total(chain: Chain) -> int:
    """Even numbers count once, others twice; stops after a hundred."""
    found = 0
    link = chain.first
    while link is not None:
        if link.even or (link.number < 0 and not link.even):
            found = found + link.number
        elif link.number > 100:
            break
        else:
            found += 2 * link.number
        link = link.next
    return found


def arithmetic(one: int, other: int) -> int:
    larger = max(one, other) if one != other else BASE
    rest: int = one - (one // other if other != 0 else 0) * other
    return -rest + min(larger, -BASE) * 3


@dataclass(slots=True, eq=False)
class Gauge:
    level: float
    steps: list[float]
    limit: float = 10.0
    over: bool = False

    def fill(self, count: int) -> float:
        """Adds the steps, each halved once the limit is passed; the least step there was."""
        least = 1e300
        for place in range(count):
            step = self.steps[place]
            self.level += self.scaled(step)
            least = min(least, step)
            self.steps[place] = -step
        return max(least, self.limit) if self.over else least

    def scaled(self, step: float) -> float:
        self.over = self.over or self.level > self.limit
        return step / 2 if self.over else 1 * step


def whole(number: float, bits: int) -> int:
    return int(number) + (bits >> 3 & 5)


FUNCTIONS: list[Callable[..., object]] = [
    start, half, is_even, collect, total, arithmetic, whole, Gauge.fill, Gauge.scaled,
]  # fmt: skip


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., float]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NKI_SIM_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        addresses, library = load(FUNCTIONS, "first")

        def call(name: str, *arguments: float, result: type = ctypes.c_int64) -> float:
            kinds = [ctypes.c_int64 if isinstance(one, int) else ctypes.c_double for one in arguments]
            found: float = ctypes.CFUNCTYPE(result, *kinds)(addresses[name])(*arguments)
            return found

        yield call
        del library


numbers = st.integers(-(2**40), 2**40)


@given(numbers, numbers)
def test_arithmetic(code: Callable[..., float], one: int, other: int) -> None:
    assert code("arithmetic", Memory().context, one, other) == arithmetic(one, other)


@given(st.lists(st.integers(-200, 200), max_size=50))
def test_objects_lists_and_functions_of_python(code: Callable[..., float], values: list[int]) -> None:
    def is_wanted(number: int) -> bool:
        return number % 3 != 0

    links: list[Link | None] = [None] * len(values)
    chain = start(values, links, is_wanted)
    made = collect(chain, len(values))

    memory = Memory()
    given_values, given_links = np.array(values, np.int64), np.zeros(len(values), np.int64)
    asked = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(is_wanted)
    address = ctypes.cast(asked, ctypes.c_void_p).value or 0
    other = code("start", memory.context, given_values.ctypes.data, given_links.ctypes.data, address)
    assert code("collect", memory.context, other, len(values)) == made
    assert code("total", memory.context, other) == total(chain)
    assert [bool(one) for one in given_links] == [one is not None for one in links]


floats = st.floats(-1e6, 1e6)


@given(floats, st.lists(floats, max_size=20))
def test_floats_and_methods(code: Callable[..., float], level: float, steps: list[float]) -> None:
    """Given as Python has them, the array shared, and taken back."""
    python, other = Gauge(level, list(steps)), Gauge(level, np.array(steps))  # type: ignore[arg-type]
    memory = Memory()
    least = code("Gauge.fill", memory.context, memory.put(other), len(steps), result=ctypes.c_double)
    assert least == python.fill(len(steps))
    memory.fetch(other)
    assert (other.level, other.over, list(other.steps)) == (python.level, python.over, python.steps)


@given(floats, numbers)
def test_conversion_and_bits(code: Callable[..., float], number: float, bits: int) -> None:
    assert code("whole", Memory().context, number, bits) == whole(number, bits)


def test_objects_outgrow_a_piece_of_memory(code: Callable[..., float]) -> None:
    memory = Memory()
    count = 100_000  # links of 24 bytes
    values, links = np.ones(count, np.int64), np.zeros(count, np.int64)
    asked = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda number: True)
    address = ctypes.cast(asked, ctypes.c_void_p).value or 0
    chain = code("start", memory.context, values.ctypes.data, links.ctypes.data, address)
    assert code("collect", memory.context, chain, count) == count
    assert len(set(links.tolist())) == count
    assert code("total", memory.context, chain) == 2 * count


def test_code_is_kept_on_disk_and_made_anew_when_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NKI_SIM_CACHE_DIR", str(tmp_path))
    load(FUNCTIONS, "some text")
    (kept,) = tmp_path.rglob("*.obj")
    whole = kept.read_bytes()
    monkeypatch.setattr("nki_sim.timing.native.link.module_text", lambda functions: pytest.fail("compiled again"))
    load(FUNCTIONS, "some text")
    monkeypatch.undo()
    monkeypatch.setenv("NKI_SIM_CACHE_DIR", str(tmp_path))
    kept.write_bytes(whole[: len(whole) // 2])
    load(FUNCTIONS, "some text")
    assert kept.read_bytes() == whole


def division(one: int) -> int:
    return int(one / 2)


def chained(one: int) -> bool:
    return 0 < one < 5


def untyped(one: int) -> int:
    found = None
    return one if found is None else 0


def mixed(one: int) -> int:
    found = one
    found = one > 2
    return found


def list_of_some(one: int) -> int:
    return [one, one][0]


@pytest.mark.parametrize("function", [division, chained, untyped, mixed, list_of_some])
def test_what_is_not_understood_is_refused(function: Callable[..., object]) -> None:
    with pytest.raises(NotUnderstood, match=function.__name__):
        module_text([function])
