"""The source text of a kernel and of the helpers it calls.

A `SourceUnit` is one function or class as text and as a tree. Texts are found through `linecache`, so that files,
notebooks, doctests and zip imports work alike, and they are parsed only when somebody asks for the tree.
"""

from __future__ import annotations

import inspect
import linecache
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any

from nki_sim.diagnostics.model import Diagnostic, LanguageError
from nki_sim.frontend.reach import reachable, reachable_classes, unwrap
from nki_sim.program.spans import SourceSpan

if TYPE_CHECKING:
    from nki_sim.frontend.tree import Node

__all__ = ["SourceUnit", "reachable", "reachable_classes", "units_in_module", "unwrap"]

_CHANGED = "the file has changed since it was imported: start Python anew, or import it again"
_NO_FILE = (
    "put the kernel in a .py file and import it, or define it in IPython or a notebook, which keep the text of what "
    "is typed"
)


@dataclass(frozen=True)
class SourceUnit:
    """One definition as text.

    name        what it is defined as; "<lambda>" and the like for code without a name
    text        its lines as they stand in `file`, with decorators and indentation
    first_line  the line of `file` that `text` starts on
    entry       this is the kernel itself, whose signature obeys stricter rules than a helper's
    """

    name: str
    file: str
    first_line: int
    text: str
    entry: bool = False
    _known: tuple[Node, list[Node]] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, function: Any, *, entry: bool = False) -> SourceUnit:
        """The unit of a function, a code object or a class; wrappers such as `Kernel` are looked through.

        Raises LanguageError (`language-source`) when its text cannot be found.
        """
        if isinstance(function, type):
            return _of_class(function)
        code = function if isinstance(function, CodeType) else getattr(unwrap(function), "__code__", None)
        if not isinstance(code, CodeType):
            name = getattr(function, "__name__", type(function).__name__)
            raise LanguageError([_missing(name, "", 0, "pass a function that is written in Python")])
        linecache.checkcache(code.co_filename)
        lines = linecache.getlines(code.co_filename, getattr(unwrap(function), "__globals__", None))
        first, last = code.co_firstlineno, _last_line(code)
        if last > len(lines):
            raise LanguageError([_missing(code.co_name, code.co_filename, first, _CHANGED if lines else _NO_FILE)])
        return _of_code(code, code.co_filename, "".join(lines[first - 1 : last]), entry)

    @cached_property
    def module(self) -> Node:
        """The tree of the whole text. Raises LanguageError (`language-syntax`)."""
        return _parsed(self.text, self.file, self.first_line)

    @cached_property
    def definition(self) -> Node | None:
        """The tree of the definition, without its decorators; None for code that is no definition of its own.

        Raises LanguageError: `language-syntax`, or `language-source` when the text is no longer the one that runs.
        """
        from nki_sim.frontend import tree

        if self._known is not None:
            return self._known[0]
        if self.name.startswith("<"):
            return self._lambda()
        found = tree.find_definition(self.module, self.name)
        if found is None:
            raise LanguageError([_missing(self.name, self.file, self.first_line, _CHANGED)])
        return found

    @cached_property
    def decorators(self) -> list[Node]:
        """The expressions after "@" in front of the definition."""
        from nki_sim.frontend import tree

        if self._known is not None:
            return self._known[1]
        definition = self.definition
        return [] if definition is None else tree.decorators_of(self.module, definition)

    def _lambda(self) -> Node | None:
        from nki_sim.frontend import tree

        if self.name != "<lambda>":
            return None  # a comprehension or a module: part of another unit, or of none
        try:
            return tree.find_definition(self.module, self.name)
        except LanguageError:
            return None  # the lambda starts in the middle of a statement, so that its lines alone are no statement

    @property
    def spans(self) -> tuple[SourceSpan, ...]:
        """Where the definition starts."""
        return (SourceSpan(self.file, self.first_line, 0, self.first_line, 0, self.name),)


def _last_line(code: CodeType) -> int:
    return max((line for _, _, line in code.co_lines() if line is not None), default=code.co_firstlineno)


@lru_cache(maxsize=512)
def _of_code(code: CodeType, file: str, text: str, entry: bool) -> SourceUnit:
    # Equal code objects can come from two files, and a file can change: both are in the key.
    lines = linecache.getlines(file)[code.co_firstlineno - 1 :]
    block = inspect.getblock(lines) if lines else text.splitlines(keepends=True)
    return SourceUnit(code.co_name, file, code.co_firstlineno, "".join(block), entry)


def _of_class(cls: type) -> SourceUnit:
    try:
        lines, first = inspect.getsourcelines(cls)
        return SourceUnit(cls.__name__, inspect.getfile(cls), first, "".join(lines))
    except (OSError, TypeError):
        raise LanguageError([_missing(cls.__name__, "", 0, _NO_FILE)]) from None


@lru_cache(maxsize=64)
def _parsed(text: str, file: str, first_line: int) -> Node:
    from nki_sim.frontend.parser import parse

    return parse(text, file=file, first_line=first_line)


def units_in_module(text: str, file: str) -> list[SourceUnit]:
    """A unit for every function and class in a module's text, without importing it; methods follow their class.

    A function is taken for a kernel when a decorator of it is called `jit` or `kernel`.
    Raises LanguageError (`language-syntax`).
    """
    from nki_sim.frontend import tree

    lines = text.splitlines(keepends=True)
    found = []
    for name, definition, decorators in tree.definitions(_parsed(text, file, 1)):
        first, last = definition.meta.line, definition.meta.end_line
        entry = any(tree.last_name(decorator) in ("jit", "kernel") for decorator in decorators)
        found.append(SourceUnit(name, file, first, "".join(lines[first - 1 : last]), entry, (definition, decorators)))
    return found


def _missing(name: str, file: str, line: int, fix: str) -> Diagnostic:
    return Diagnostic(
        code="language-source",
        message=f"the source text of {name} cannot be found" + (f"; it was defined in {file}" if file else ""),
        spans=(SourceSpan(file, line, 0, line, 0, name),) if file and not file.startswith("<") else (),
        facts=("a kernel is checked, and its errors are shown, by its text",),
        fix=fix,
    )
