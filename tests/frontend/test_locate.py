"""Finding one argument of a call in the text."""

from __future__ import annotations

import linecache
import sys
from dataclasses import replace

import pytest

from nki_sim.frontend.locate import argument_span
from nki_sim.program.spans import SourceSpan, resolve

TEXT = """
def kernel(a, acc):
    nisa.nc_matmul(dst=acc, stationary=lhs[0:128, :], moving=(rhs))
    nisa.nc_matmul(
        acc,
        lhs_tile,  # the left one
        moving=rhs[
            0:128,
        ],
    )
    outer(inner(x, 1), inner(y, 2))
    größe(a); tail(dst=a)
    starred(*a, b, dst=c)
    chained(1)(2)


def kernel_again():
    pass
"""
FILE = "<located>"


@pytest.fixture(autouse=True)
def text_in_linecache() -> None:
    linecache.cache[FILE] = (len(TEXT), None, TEXT.splitlines(keepends=True), FILE)


def call(text: str, function: str = "kernel") -> SourceSpan:
    """The span of the first occurrence of a call's text."""
    start = TEXT.index(text)
    end = start + len(text)

    def place(position: int) -> tuple[int, int]:
        return TEXT.count("\n", 0, position) + 1, position - TEXT.rfind("\n", 0, position)

    (line, column), (end_line, end_column) = place(start), place(end)
    return SourceSpan(FILE, line, column, end_line, end_column, function)


def located(span: SourceSpan) -> str:
    lines = TEXT.splitlines()
    if span.end_line == span.line:
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]
    return lines[span.line - 1][span.column - 1 :] + " ... " + lines[span.end_line - 1][: span.end_column - 1].strip()


ONE_LINE = "nisa.nc_matmul(dst=acc, stationary=lhs[0:128, :], moving=(rhs))"
SEVERAL_LINES = TEXT[TEXT.index("nisa.nc_matmul(\n") : TEXT.index("    outer")].rstrip()


@pytest.mark.parametrize(
    ("text", "operand", "position", "expected"),
    [
        (ONE_LINE, "stationary", 1, "lhs[0:128, :]"),
        (ONE_LINE, "moving", 2, "rhs"),
        (SEVERAL_LINES, "dst", 0, "acc"),
        (SEVERAL_LINES, "stationary", 1, "lhs_tile"),
        (SEVERAL_LINES, "moving", 2, "rhs[ ... ]"),
        ("inner(x, 1)", "b", 1, "1"),
        ("outer(inner(x, 1), inner(y, 2))", "b", 1, "inner(y, 2)"),
        ("starred(*a, b, dst=c)", "dst", 0, "c"),
        ("chained(1)", "n", 0, "1"),
        ("chained(1)(2)", "n", 0, "2"),
    ],
)
def test_finds_the_argument(text: str, operand: str, position: int, expected: str) -> None:
    found = argument_span(call(text), operand, position)
    assert located(found) == expected
    assert found.function == "kernel"


@pytest.mark.parametrize(
    ("text", "operand", "position"),
    [
        (ONE_LINE, "scale", None),
        (ONE_LINE, "scale", 7),
        ("starred(*a, b, dst=c)", "b", 1),  # what stands after *a has no position in the text
    ],
)
def test_falls_back_to_the_call(text: str, operand: str, position: int | None) -> None:
    assert argument_span(call(text), operand, position) == call(text)


def test_falls_back_when_there_is_no_text() -> None:
    span = SourceSpan("/no/such/file.py", 3, 1, 3, 9)
    assert argument_span(span, "dst", 0) == span


@pytest.mark.parametrize("function", ["kernel", "", "<lambda>", "elsewhere"])
def test_finds_it_whatever_the_function_is_called(function: str) -> None:
    assert located(argument_span(call(ONE_LINE, function), "stationary", 1)) == "lhs[0:128, :]"


@pytest.mark.parametrize(("text", "operand"), [(ONE_LINE, "stationary"), (SEVERAL_LINES, "moving")])
def test_a_line_alone_is_enough_where_columns_are_unknown(text: str, operand: str) -> None:
    whole = call(text)
    span = replace(whole, column=0, end_column=0, end_line=whole.line)
    assert located(argument_span(span, operand, None)) == located(argument_span(whole, operand, None))


def test_columns_counted_in_bytes_are_understood() -> None:
    span = call("tail(dst=a)")
    in_bytes = replace(span, column=span.column + 2, end_column=span.end_column + 2)  # two characters of two bytes
    assert located(argument_span(in_bytes, "dst", 0)) == "a"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the interpreter reports columns from 3.11 on")
def test_the_span_that_the_interpreter_reports() -> None:
    spans: list[SourceSpan] = []

    def instruction(dst: object, src: object) -> None:
        frame = sys._getframe(1)
        spans.append(resolve(frame.f_code, frame.f_lasti))

    instruction(
        "first",
        src="second",
    )
    found = argument_span(spans[0], "src", 1)
    assert linecache.getline(found.file, found.line)[found.column - 1 : found.end_column - 1] == '"second"'
