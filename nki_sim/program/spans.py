"""Source positions: where in the kernel's text an instruction or a tensor came from.

A *site* is the chain of calls that led to one `nisa` or `nl` call, innermost first. Recording one costs a tuple of
(code object, bytecode offset); turning it into lines and columns waits until somebody reads it.
"""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from types import CodeType

_COMPOUND = re.compile(r"\s*(async\s+)?(for|while|if|elif|with)\b.*:\s*(#.*)?$")


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """A range of source text. Lines and columns are 1-based; a column of 0 means the column is not known."""

    file: str
    line: int
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    function: str = ""

    @property
    def text(self) -> str:
        """The line the span starts on, without its newline; empty when the file cannot be read."""
        return linecache.getline(self.file, self.line).rstrip("\n")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")


Site = tuple[tuple[CodeType, int], ...]


class SiteTable:
    """Interned sites of one program: `add` is cheap, `spans` resolves one to source spans, innermost first."""

    def __init__(self) -> None:
        self._sites: list[Site] = []
        self._index: dict[tuple[int, ...], int] = {}
        self._spans: dict[int, tuple[SourceSpan, ...]] = {}

    def __len__(self) -> int:
        return len(self._sites)

    def add(self, key: tuple[int, ...], chain: Sequence[CodeType]) -> int:
        """The number of a site, the same for the same chain.

        `chain` is the code objects, innermost first; `key` their identities and bytecode offsets in turn (id, offset,
        id, offset, ...). Comparing identities spares hashing code objects, which is slow.
        """
        number = self._index.get(key)
        if number is None:
            number = len(self._sites)
            self._sites.append(tuple(zip(chain, key[1::2], strict=True)))
            self._index[key] = number
        return number

    def site(self, number: int) -> Site:
        return self._sites[number]

    def spans(self, number: int) -> tuple[SourceSpan, ...]:
        """The chain of source spans of a site, innermost first; empty for a site that has none (-1)."""
        if number < 0:
            return ()
        found = self._spans.get(number)
        if found is None:
            found = tuple(resolve(code, offset) for code, offset in self._sites[number])
            self._spans[number] = found
        return found


def resolve(code: CodeType, offset: int) -> SourceSpan:
    """The source span of the bytecode instruction at `offset` in `code`."""
    if sys.version_info >= (3, 11):  # earlier versions keep lines but no columns
        line, end_line, column, end_column = next(
            islice(code.co_positions(), offset // 2, None), (None, None, None, None)
        )
        if line is not None:
            last = end_line or line
            header = linecache.getline(code.co_filename, line).rstrip()
            if last > line and _COMPOUND.match(header):
                # A loop or a test is meant, not its body: the span ends with the line that opens it.
                last, end_column = line, len(header.encode())
            return SourceSpan(
                code.co_filename,
                line,
                _character(code.co_filename, line, column),
                last,
                _character(code.co_filename, last, end_column),
                code.co_name,
            )
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= offset < end and number is not None:
            line = number
            break
    return SourceSpan(code.co_filename, line, 0, line, 0, code.co_name)


def _character(file: str, line: int, byte: int | None) -> int:
    """The 1-based column of a UTF-8 byte offset, which is what code objects keep; 0 for None."""
    if byte is None:
        return 0
    text = linecache.getline(file, line)
    if text.isascii():
        return byte + 1
    return len(text.encode()[:byte].decode(errors="replace")) + 1
