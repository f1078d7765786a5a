"""The dialect check: holds a definition's text against what a dialect's documents accept.

Also answers, for the recorder, what only the text shows: which loops may run on the device, and whether a truth test
belongs to a `while`. The parser is imported when the first text is read, not before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from types import CodeType
from typing import Any

from nki_sim.diagnostics.model import Diagnostic, LanguageError, Severity
from nki_sim.frontend.reach import reachable_code
from nki_sim.frontend.source import SourceUnit
from nki_sim.program.spans import SourceSpan


def check(unit: SourceUnit, dialect: str = "nki") -> list[Diagnostic]:
    """What `dialect` ("nki", "nki-0.2" or "beta1") says about one definition, in the order of its text.

    Errors come one by one; notes of one kind are gathered into the first, with their count.
    Text that cannot be parsed gives the one `language-syntax` diagnostic. Raises ValueError for an unknown dialect.
    """
    from nki_sim.frontend.dialect_rules import DIALECTS

    if dialect not in DIALECTS:
        raise ValueError(f"dialect is {dialect!r}; it must be one of {', '.join(DIALECTS)}")
    return list(_check(unit, dialect))


@lru_cache(maxsize=1024)
def _check(unit: SourceUnit, dialect: str) -> tuple[Diagnostic, ...]:
    from nki_sim.frontend import constructs
    from nki_sim.frontend.dialect_rules import BY_CONSTRUCT
    from nki_sim.frontend.tree import span_of

    try:
        found = constructs.find(unit)
    except LanguageError as error:
        return tuple(error.diagnostics)
    diagnostics: list[Diagnostic] = []
    notes: dict[str, int] = {}
    for construct in found:
        rule = BY_CONSTRUCT[construct.kind]
        severity: Severity | None = rule.severity(dialect)
        if severity is None:
            continue
        if severity == "note" and construct.kind in notes:
            number = notes[construct.kind]
            diagnostics[number] = replace(diagnostics[number], count=diagnostics[number].count + 1)
            continue
        if severity == "note":
            notes[construct.kind] = len(diagnostics)
        diagnostics.append(
            Diagnostic(
                code=rule.code,
                message=rule.message.format(subject=construct.subject),
                severity=severity,
                spans=(_first_line(span_of(construct.where, unit.file, unit.name), construct.subject),),
                label=rule.label,
                facts=(f"{rule.fact} ({rule.source})",),
                fix=rule.fix,
            )
        )
    return tuple(diagnostics)


def _first_line(span: SourceSpan, subject: str) -> SourceSpan:
    """A span of several lines cut down to the word that starts it: a `try` block is shown by its `try`."""
    if span.end_line == span.line:
        return span
    return replace(span, end_line=span.line, end_column=span.column + max(len(subject), 1))


def check_kernel(
    function: Any, dialect: str = "nki", arguments: Iterable[Any] = ()
) -> tuple[list[Diagnostic], frozenset[CodeType]]:
    """What `dialect` says of a kernel and of all helpers and classes it reaches, and the code objects looked at.

    Raises LanguageError when the kernel's own text cannot be found; a helper without text gives a note.
    """
    functions, classes = reachable_code(function, arguments)
    found: list[Diagnostic] = []
    seen: set[CodeType] = set()
    for number, reached in enumerate(functions):
        seen.update(_with_nested(reached.__code__))
        try:
            unit = SourceUnit.of(reached, entry=number == 0)
        except LanguageError as error:
            if number == 0:
                raise
            found += [replace(one, severity="note") for one in error.diagnostics]
            continue
        found += check(unit, dialect)
    for cls in classes:
        if not issubclass(cls, BaseException):  # raised, not computed with
            try:
                found += check(SourceUnit.of(cls), dialect)
            except LanguageError:
                continue  # made by a call such as namedtuple(): no text, and none of the user's
    return found, frozenset(seen)


def _with_nested(code: CodeType) -> set[CodeType]:
    codes = {code}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            codes |= _with_nested(constant)
    return codes


def while_lines(unit: SourceUnit) -> frozenset[int]:
    """The lines on which a `while` test stands that may be a register: a name, an attribute, an item or a call."""
    from nki_sim.frontend import constructs, tree

    lines: set[int] = set()
    for node in tree.walk(unit.definition) if unit.definition is not None else ():
        if node.data == "while_statement":
            test: Any = node.children[0]
            if constructs.may_test_register(test):
                span = tree.span_of(test, unit.file)
                lines.update(range(span.line, span.end_line + 1))
    return frozenset(lines)


def is_while_test(code: CodeType, line: int) -> bool:
    """Whether the truth value taken on `line` of `code` is that of a `while` test, taken as it stands.

    False when the text cannot be read.
    """
    return line in _while_lines_of(code, code.co_filename)


@lru_cache(maxsize=1024)
def _while_lines_of(code: CodeType, file: str) -> frozenset[int]:
    # The file is in the key because equal code objects may come from two files.
    try:
        return while_lines(SourceUnit.of(code))
    except LanguageError:
        return frozenset()
