"""Syntax errors in the user's words: which mistake it most likely is, where, and how to mend it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from keyword import iskeyword

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from nki_sim.diagnostics.model import Diagnostic
from nki_sim.frontend.parser import LayoutError
from nki_sim.program.spans import SourceSpan

_CLOSER = {"(": ")", "[": "]", "{": "}"}

# Strings and comments are skipped; what is left are brackets. An unterminated string ends the match at its quote.
_LEXEME = re.compile(
    r"#[^\n]*"
    r"|(?P<triple>\"\"\"|''')"
    r"|\"(?:[^\"\\\n]|\\[\s\S])*\"|'(?:[^'\\\n]|\\[\s\S])*'"
    r"|(?P<quote>[\"'])"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])"
)

_BLOCK_WORDS = frozenset(
    ("if", "elif", "else", "for", "while", "def", "class", "with", "try", "except", "finally", "match", "case", "async")
)
_OPERAND_TOKENS = frozenset(("NAME", "NUMBER", "STRING", "FSTRING", "NONE", "TRUE", "FALSE"))


@dataclass(frozen=True)
class _Place:
    """A range of the padded text, as offsets."""

    start: int
    end: int


def explain(problem: UnexpectedInput | LayoutError, text: str, file: str) -> Diagnostic:
    """The `language-syntax` diagnostic for an error of the parser in `text`, whose lines are numbered from 1."""
    if isinstance(problem, LayoutError):
        position = problem.token.end_pos or 0
        return _diagnostic(file, text, _Place(position, position + 1), str(problem), "", _INDENT_FIX)
    failed_at = problem.pos_in_stream or 0
    bracket = _bracket_mistake(text, file, failed_at)
    if bracket is not None:
        return bracket
    if isinstance(problem, UnexpectedCharacters):
        return _bad_character(problem, text, file)
    if isinstance(problem, UnexpectedToken) and problem.token.type != "$END":
        return _bad_token(problem, problem.token, text, file)
    end = len(text.rstrip())
    return _diagnostic(file, text, _Place(max(end - 1, 0), end), "the text ends in the middle of a statement", "", "")


_INDENT_FIX = "indent with spaces only, and give every line of a block the same indentation"


def _bracket_mistake(text: str, file: str, failed_at: int) -> Diagnostic | None:
    """A bracket that is never closed, or closed by the wrong one, before the place where parsing failed.

    Every later line of an unclosed bracket is read as part of it, so the parser notices far from the mistake.
    """
    opened: list[int] = []
    position = 0
    while found := _LEXEME.search(text, position):
        position = found.end()
        if found.start() > failed_at and not opened:
            return None
        if found["triple"]:
            end = text.find(found["triple"], position)
            if end < 0:
                place = _Place(found.start(), position)
                return _diagnostic(file, text, place, "this string is never closed", "", f"close it with {found[0]}")
            position = end + 3
        elif found["quote"]:
            place = _Place(found.start(), position)
            fix = f"close it with {found[0]} on the same line, or use three quotes for text of several lines"
            return _diagnostic(file, text, place, "this string is never closed", "", fix)
        elif found["open"]:
            opened.append(found.start())
        elif found["close"]:
            here = _Place(found.start(), position)
            if not opened:
                if found.start() < failed_at:
                    continue
                message = f"'{found[0]}' closes a bracket that was never opened"
                return _diagnostic(file, text, here, message, "", "remove it, or open the bracket")
            start = opened.pop()
            if _CLOSER[text[start]] != found[0]:
                if start > failed_at:
                    return None
                message = f"'{found[0]}' does not close '{text[start]}'"
                other = (_span(file, text, _Place(start, start + 1)), f"opened here, needs '{_CLOSER[text[start]]}'")
                return _diagnostic(file, text, here, message, "", f"write '{_CLOSER[text[start]]}'", (other,))
    if opened and opened[-1] < failed_at:
        start = opened[-1]
        message = f"'{text[start]}' is never closed"
        place = _Place(start, start + 1)
        word = _word_at(text, failed_at)
        noticed = (_span(file, text, _Place(failed_at, failed_at + max(len(word), 1))), "noticed here")
        return _diagnostic(file, text, place, message, "", f"close it with '{_CLOSER[text[start]]}'", (noticed,))
    return None


def _bad_character(problem: UnexpectedCharacters, text: str, file: str) -> Diagnostic:
    at = problem.pos_in_stream or 0
    character = text[at : at + 1]
    if character.isalpha() or character == "_":
        word = _word_at(text, at)
        return _diagnostic(file, text, _Place(at, at + len(word)), f"'{word}' cannot stand here", "", "")
    message = f"the character {character!r} is not part of the language"
    fix = {
        "\N{LEFT DOUBLE QUOTATION MARK}": 'use plain quotes: "',
        "\N{RIGHT DOUBLE QUOTATION MARK}": 'use plain quotes: "',
        "\N{LEFT SINGLE QUOTATION MARK}": "use plain quotes: '",
        "\N{RIGHT SINGLE QUOTATION MARK}": "use plain quotes: '",
        "\N{NO-BREAK SPACE}": "replace the no-break space by an ordinary one",
        "!": "write `not` for negation",
        "\\": "nothing, not even a blank, may follow a backslash at the end of a line",
    }.get(character, "remove it")
    return _diagnostic(file, text, _Place(at, at + 1), message, "", fix)


def _bad_token(problem: UnexpectedToken, token: Token, text: str, file: str) -> Diagnostic:
    start = token.start_pos or 0
    place = _Place(start, max(token.end_pos or start, start + 1))
    accepts = problem.accepts or set()
    first = _first_word(text, start)
    kind = token.type
    if kind == "_INDENT":
        place = _Place(place.end, place.end + len(_word_at(text, place.end)))
        return _diagnostic(file, text, place, "this line is indented, but no block starts before it", "", _INDENT_FIX)
    if "_INDENT" in accepts:
        message = "an indented block is missing before this line"
        return _diagnostic(file, text, place, message, "", "indent the body of the block; `pass` is an empty body")
    if kind == "_NEWLINE":
        place = _Place(start, start + 1)
        if "COLON" in accepts and first in _BLOCK_WORDS:
            message = f"the line of `{first}` has no ':' at its end"
            return _diagnostic(file, text, place, message, "':' goes here", "end the line with ':'")
        return _diagnostic(file, text, place, "the line ends in the middle of an expression", "", "complete it")
    if kind == "EQUAL" and first in ("if", "elif", "while", "assert", "return"):
        return _diagnostic(file, text, place, "'=' assigns; it cannot stand in a condition", "", "compare with '=='")
    if kind == "IF" and text[:start].rstrip().endswith("else"):
        return _diagnostic(file, text, place, "`else if` is not Python", "", "write `elif`")
    if "NAME" in accepts and str(token).isidentifier() and kind not in _OPERAND_TOKENS:
        message = f"`{token}` is a keyword of Python and cannot be a name"
        return _diagnostic(file, text, place, message, "", "choose another name")
    if first == "for" and "IN" in accepts:
        message = "the `for` line has no `in`"
        return _diagnostic(file, text, place, message, "`in` goes here", "write `for name in ...:`")
    if text[:start].rstrip().endswith("print") and kind in _OPERAND_TOKENS:
        return _diagnostic(file, text, place, "`print` is a function", "", "put its arguments in parentheses")
    if kind in _OPERAND_TOKENS and "COMMA" in accepts:
        return _diagnostic(
            file,
            text,
            place,
            f"`{_shortened(token)}` follows an expression with nothing between them",
            "",
            "put ',' or an operator before it",
        )
    if kind == "EQUAL" and iskeyword(first) and text[:start].rstrip().endswith(first):
        place = _Place(len(text[:start].rstrip()) - len(first), len(text[:start].rstrip()))
        message = f"`{first}` is a keyword of Python and cannot be a name"
        return _diagnostic(file, text, place, message, "", "choose another name")
    return _diagnostic(file, text, place, f"`{_shortened(token)}` cannot stand here", "", "")


def _shortened(token: Token) -> str:
    line = str(token).split("\n", 1)[0]
    return line if len(line) <= 40 else line[:37] + "..."


def _first_word(text: str, position: int) -> str:
    """The first word of the line at `position`."""
    start = text.rfind("\n", 0, position) + 1
    return _word_at(text, start + len(text[start:position]) - len(text[start:position].lstrip()))


def _word_at(text: str, position: int) -> str:
    found = re.compile(r"\w+|\S").match(text, position)
    return found[0] if found else ""


def _span(file: str, text: str, place: _Place) -> SourceSpan:
    start_line, start_column = _line_and_column(text, place.start)
    end_line, end_column = _line_and_column(text, place.end)
    if end_line != start_line:  # a caret over a line break: keep it on its line
        end_line, end_column = start_line, start_column + 1
    return SourceSpan(file, start_line, start_column, end_line, end_column)


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def _diagnostic(
    file: str,
    text: str,
    place: _Place,
    message: str,
    label: str,
    fix: str,
    related: tuple[tuple[SourceSpan, str], ...] = (),
) -> Diagnostic:
    return Diagnostic(
        code="language-syntax",
        message=message,
        spans=(_span(file, text, place),),
        label=label,
        fix=fix,
        related=related,
    )
