"""SiteTable: chains of calls interned, and turned into source spans when somebody asks."""

from __future__ import annotations

import sys
from types import CodeType, FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.program.spans import SiteTable, SourceSpan

needs_columns = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 keeps no columns")


def here() -> FrameType:
    return sys._getframe(1)


def chain(frame: FrameType | None, depth: int) -> tuple[tuple[int, ...], list[CodeType]]:
    """The key and the code objects of a call, innermost first, as the recorder makes them."""
    key: list[int] = []
    codes: list[CodeType] = []
    while frame is not None and len(codes) < depth:
        key += (id(frame.f_code), frame.f_lasti)
        codes.append(frame.f_code)
        frame = frame.f_back
    return tuple(key), codes


def inner(table: SiteTable) -> int:
    return table.add(*chain(here(), 2))


def test_a_chain_becomes_spans_innermost_first() -> None:
    table = SiteTable()
    number = inner(table)
    first, second = table.spans(number)
    assert first.file == second.file == __file__
    assert (first.function, second.function) == ("inner", "test_a_chain_becomes_spans_innermost_first")
    assert first.text.strip() == "return table.add(*chain(here(), 2))"
    assert second.text.strip() == "number = inner(table)"
    assert table.spans(number) is table.spans(number)


@needs_columns
def test_columns_count_characters() -> None:
    table = SiteTable()
    numbers = ["ä", inner(table)]
    span = table.spans(numbers[1])[1]
    assert span.text[span.column - 1 : span.end_column - 1] == "inner(table)"
    assert span.end_line == span.line


@needs_columns
def test_a_call_over_several_lines() -> None:
    table = SiteTable()
    number = inner(
        table,
    )
    span = table.spans(number)[1]
    assert span.text.strip() == "number = inner(" and span.end_line == span.line + 2
    assert span.end_column == len("    )") + 1


def test_the_same_call_is_one_site() -> None:
    table = SiteTable()
    numbers = [inner(table) for _ in range(5)]
    assert set(numbers) == {0} and len(table) == 1
    assert inner(table) == 1 and len(table) == 2


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), max_size=20))
def test_numbers_are_dense_and_stand_for_the_chain(chains: list[list[int]]) -> None:
    table = SiteTable()
    codes = [compile(f"x{i}", f"file{i}.py", "eval") for i in range(4)]
    seen: dict[tuple[int, ...], int] = {}
    for one in chains:
        key = tuple(value for i in one for value in (id(codes[i]), 2 * i))
        number = table.add(key, [codes[i] for i in one])
        assert seen.setdefault(key, number) == number
        assert table.site(number) == tuple((codes[i], 2 * i) for i in one)
    assert sorted(seen.values()) == list(range(len(table)))


def test_no_site_has_no_spans() -> None:
    assert SiteTable().spans(-1) == ()


def test_as_text() -> None:
    assert str(SourceSpan("k.py", 3, 7)) == "k.py:3:7"
    assert str(SourceSpan("k.py", 3)) == "k.py:3"
    assert SourceSpan("/no/such/file.py", 3).text == ""
