"""The parser of the kernel language: text in, Lark tree with positions out.

The LALR tables take half a second to build, so they are kept in the user's cache directory under a name made from the
grammar, the Lark version and the Python version. Without a writable cache directory they are built in every process.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import lark
from lark import Lark, Token
from lark.exceptions import UnexpectedInput
from lark.lark import PostLex

from nki_sim.diagnostics.model import LanguageError
from nki_sim.frontend.tree import Node

_TAB_COLUMNS = 8
_OPENING = ("LPAR", "LSQB", "LBRACE")
_CLOSING = ("RPAR", "RSQB", "RBRACE")


class LayoutError(Exception):
    """Indentation that CPython would refuse too; `token` is the line break in front of the line."""

    def __init__(self, message: str, token: Token) -> None:
        super().__init__(message)
        self.token = token


class LineStructure(PostLex):
    """Turns line breaks into _NEWLINE, _INDENT and _DEDENT tokens.

    Differs from Lark's Indenter in three points: it keeps no state between texts, so that several threads can parse;
    the first line of code sets the outermost indentation, so that a method's text needs no dedenting (its columns stay
    true); and indentation whose meaning depends on the width of a tab is refused, as CPython does.
    """

    always_accept = ("_NEWLINE",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        levels: list[tuple[int, int]] = []
        token = None
        for token in stream:
            kind = token.type
            if kind == "_NEWLINE":
                if depth > 0:
                    continue
                width = _indentation(token)
                if not levels:
                    levels.append(width)
                    continue
                yield token
                if width[0] > levels[-1][0]:
                    if width[1] <= levels[-1][1]:
                        raise LayoutError("tabs and spaces are mixed in the indentation", token)
                    levels.append(width)
                    yield Token.new_borrow_pos("_INDENT", "", token)
                    continue
                while len(levels) > 1 and width[0] < levels[-1][0]:
                    levels.pop()
                    yield Token.new_borrow_pos("_DEDENT", "", token)
                if width[0] != levels[-1][0] and not _at_end(token):
                    raise LayoutError("this line's indentation matches no outer block", token)
                if width[1] != levels[-1][1] and not _at_end(token):
                    raise LayoutError("tabs and spaces are mixed in the indentation", token)
                continue
            if not levels:
                start = (token.column or 1) - 1
                levels.append((start, start))
            yield token
            if kind in _OPENING:
                depth += 1
            elif kind in _CLOSING:
                depth -= 1
        if token is not None:
            for _ in levels[1:]:
                yield Token.new_borrow_pos("_DEDENT", "", token)


def _indentation(token: Token) -> tuple[int, int]:
    """The columns of the next line's indentation, with a tab reaching to the next multiple of 8 and with a tab of 1."""
    text = token.rsplit("\n", 1)[1]
    if "\t" not in text:
        return len(text), len(text)
    return len(text.expandtabs(_TAB_COLUMNS)), len(text)


def _at_end(token: Token) -> bool:
    # A text cut out of a file may end with blanks; nothing follows that they could indent.
    return token.end_pos is not None and token.rsplit("\n", 1)[1] == ""


def grammar_path(name: str) -> Path:
    """Where the grammar `name` ("kernel.lark") lies: inside an installed package, else in the checkout.

    Raises FileNotFoundError when it is in neither.
    """
    installed = files("nki_sim") / "_grammar" / name
    if installed.is_file():
        return Path(str(installed))
    checkout = Path(__file__).resolve().parents[2] / "grammar" / name
    if checkout.is_file():
        return checkout
    raise FileNotFoundError(f"grammar {name} is neither in the package (nki_sim/_grammar) nor at {checkout}")


@lru_cache(maxsize=1)
def kernel_parser() -> Lark:
    """The parser for kernel.lark, from the cache on disk when there is one."""
    grammar = grammar_path("kernel.lark").read_text(encoding="utf-8")
    cache = _cache_file(grammar)
    return _load(cache) or _build(grammar, cache)


def _cache_file(grammar: str) -> Path | None:
    from platformdirs import user_cache_path

    key = "\0".join([grammar, lark.__version__, sys.version, __name__])
    name = f"kernel-grammar-{hashlib.sha256(key.encode()).hexdigest()[:24]}.pickle"
    try:
        return user_cache_path("nki_sim", appauthor=False) / name
    except RuntimeError:  # no home directory to derive a path from
        return None


def _load(cache: Path | None) -> Lark | None:
    if cache is None:
        return None
    try:
        with cache.open("rb") as stream:
            return Lark.load(stream)
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError, IndexError, KeyError, ValueError):
        return None  # absent, cut short or written by something else: build anew


def _build(grammar: str, cache: Path | None) -> Lark:
    parser = Lark(grammar, parser="lalr", start="module", postlex=LineStructure(), propagate_positions=True)
    if cache is not None:
        _store(parser, cache)
    return parser


def _store(parser: Lark, cache: Path) -> None:
    """Write the tables; whole or not at all, since another process may read at the same time."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache.parent, prefix=cache.stem)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            parser.save(stream)
        os.replace(temporary, cache)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def parse(text: str, *, file: str, first_line: int = 1) -> Node:
    """The tree of `text`, a module or a function cut out of one with its indentation.

    Lines are counted from `first_line`, columns from 1 in characters. Raises LanguageError with one `language-syntax`
    diagnostic, which points into `file`, when the text is not in the kernel language.
    """
    # Blank lines in front give the right line numbers in nodes and in errors alike, at no cost in the parser.
    padded = "\n" * (first_line - 1) + text + ("" if text.endswith("\n") else "\n")
    try:
        return kernel_parser().parse(padded)
    except (UnexpectedInput, LayoutError) as problem:
        from nki_sim.frontend.syntax import explain

        raise LanguageError([explain(problem, padded, file)]) from None
