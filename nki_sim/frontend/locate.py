"""Finds one argument of a call in the source text, so that a diagnostic can underline the operand it speaks of."""

from __future__ import annotations

import inspect
import linecache
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from nki_sim.diagnostics.model import LanguageError
from nki_sim.program.spans import SourceSpan

if TYPE_CHECKING:
    from nki_sim.frontend.tree import Node


def argument_span(span: SourceSpan, operand: str, position: int | None = None) -> SourceSpan:
    """The span of the value of keyword `operand`, else of the argument at `position`, in the call at `span`.

    `span` is a call as the interpreter reports it: with columns from Python 3.11 on, by its line alone before. When
    the text cannot be read or has no such argument, `span` itself comes back.
    """
    lines = linecache.getlines(span.file)
    if not 0 < span.line <= len(lines):
        return span
    calls = _calls(span.file, *_enclosing(tuple(lines), span))
    call = _innermost(calls, _in_characters(span, lines), operand)
    value = None if call is None else _argument(call, operand, position)
    if value is None:
        return span
    at = value.meta
    return SourceSpan(span.file, at.line, at.column, at.end_line, at.end_column, span.function)


def _enclosing(lines: tuple[str, ...], span: SourceSpan) -> tuple[str, int]:
    """The text of the function around a span and its first line; the whole file for code that is not in a `def`."""
    if span.function.isidentifier():
        header = re.compile(rf"\s*(?:async\s+)?def\s+{span.function}\b")
        for number in range(span.line, 0, -1):
            if header.match(lines[number - 1]):
                block = inspect.getblock(list(lines[number - 1 :]))
                if number + len(block) > span.line:
                    return "".join(block), number
    return "".join(lines), 1


@lru_cache(maxsize=64)
def _calls(file: str, text: str, first_line: int) -> tuple[Node, ...]:
    from nki_sim.frontend.parser import parse
    from nki_sim.frontend.tree import walk

    try:
        tree = parse(text, file=file, first_line=first_line)
    except LanguageError:
        return ()
    return tuple(node for node in walk(tree) if node.data == "call")


def _in_characters(span: SourceSpan, lines: list[str]) -> SourceSpan:
    """The interpreter counts columns in bytes of UTF-8; the parser counts characters."""
    column = _characters(span.line, span.column, lines)
    return replace(span, column=column, end_column=_characters(span.end_line, span.end_column, lines))


def _characters(line: int, column: int, lines: list[str]) -> int:
    if not column or not 0 < line <= len(lines) or lines[line - 1].isascii():
        return column
    return len(lines[line - 1].encode()[: column - 1].decode(errors="ignore")) + 1


def _innermost(calls: tuple[Node, ...], span: SourceSpan, operand: str) -> Node | None:
    if not span.column:
        # Without columns several calls may share the line: prefer one that names the operand.
        here = [call for call in calls if call.meta.line <= span.line <= call.meta.end_line]
        latest = max((call.meta.line for call in here), default=0)
        here = [call for call in here if call.meta.line == latest]
        return next((call for call in here if _keyword(call, operand) is not None), here[0] if here else None)
    start = (span.line, span.column)
    end = (span.end_line or span.line, span.end_column)
    exact = [c for c in calls if (c.meta.line, c.meta.column) == start]
    if exact:
        # a call of a call starts where the inner one does; the ends tell them apart
        return next((c for c in exact if (c.meta.end_line, c.meta.end_column) == end), exact[0])
    around = [c for c in calls if (c.meta.line, c.meta.column) <= start < (c.meta.end_line, c.meta.end_column)]
    return max(around, key=lambda c: (c.meta.line, c.meta.column), default=None)


def _keyword(call: Node, operand: str) -> Node | None:
    from lark import Tree

    for argument in call.children[1].children if isinstance(call.children[1], Tree) else ():
        if isinstance(argument, Tree) and argument.data == "keyword_argument" and argument.children[0] == operand:
            value = argument.children[1]
            return value if isinstance(value, Tree) else None
    return None


def _argument(call: Node, operand: str, position: int | None) -> Node | None:
    from lark import Tree

    found = _keyword(call, operand)
    arguments = call.children[1]
    if found is not None or position is None or not isinstance(arguments, Tree):
        return found
    plain: list[Node] = []
    for argument in arguments.children:
        if not isinstance(argument, Tree) or argument.data == "keyword_argument":
            continue
        if argument.data in ("starred_argument", "double_starred_argument"):
            break  # what comes after a starred argument has no position in the text
        plain.append(argument)
    return plain[position] if 0 <= position < len(plain) else None
