"""What each dialect says about each construct: one row per construct, as data.

Severities in a row stand for the dialects "nki" (today's documents), "nki-0.2" (the strict parser) and "beta1"
(neuronxcc.nki, where CPython runs the kernel). "-" is silence. A row is an error only where the documents reject the
construct; what they leave open, and what public kernels use although a document frowns, is a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nki_sim.diagnostics.model import Severity

DIALECTS = ("nki", "nki-0.2", "beta1")
Verdict = Literal["error", "warning", "note", "-"]


@dataclass(frozen=True)
class Rule:
    """One row.

    message   what is wrong, with {subject} for the word the kernel used
    fact      the reason, or what the documents say
    source    the document it comes from
    """

    construct: str
    code: str
    nki: Verdict
    strict: Verdict
    beta1: Verdict
    message: str
    fact: str
    source: str
    fix: str
    label: str = ""

    def severity(self, dialect: str) -> Severity | None:
        """The severity in a dialect; None where the dialect has nothing to say."""
        verdict = {"nki": self.nki, "nki-0.2": self.strict, "beta1": self.beta1}[dialect]
        return None if verdict == "-" else verdict


_GUIDE = "nki-language-guide"
_LOOPS = "nki-dynamic-loops"
_MIGRATION = "migration guide"
_KLR = "leanprover/KLR, interop/klr/gather.c"

_OPEN = "the documents list the Python a kernel may use, and this is not in the list"

_DEVICE_LOOPS = (
    Rule(
        "dynamic-exit",
        "language-dynamic-exit",
        "error",
        "error",
        "-",
        "`{subject}` steps out of a loop that runs on the device",
        "the body of a device loop is recorded once and ends only where its bound or its register says",
        f"{_LOOPS}; leanprover/KLR, KLR/Trace",
        "let the register of a `while` loop end it, or use range(), which is unrolled",
        "inside of a device loop",
    ),
    Rule(
        "dynamic-counter",
        "language-dynamic-counter",
        "error",
        "error",
        "-",
        "`{subject}` counts a device loop and cannot be written",
        "the induction variable of dynamic_range is a frozen register",
        f"{_GUIDE}, Dynamic Control Flow",
        "use another name, or a register of its own from nisa.register_alloc",
        "written here",
    ),
    Rule(
        "dynamic-no-reorder",
        "language-no-reorder",
        "error",
        "error",
        "-",
        "`{subject}` makes a device loop inside of nl.no_reorder()",
        "a no_reorder block may hold unrolled loops only",
        f"{_LOOPS}, Interaction with no_reorder",
        "put the no_reorder block inside of the loop's body",
    ),
)

_STATEMENTS = (
    Rule(
        "generator",
        "language-generator",
        "error",
        "error",
        "error",
        "`{subject}` makes this function a generator",
        "calling a generator runs nothing, and a for loop of a kernel goes over ranges, lists and tuples",
        f"{_GUIDE}, Control Flow; {_KLR}",
        "build a list and return it",
    ),
    Rule(
        "try",
        "language-try",
        "error",
        "error",
        "-",
        "`{subject}` cannot become device code",
        "the device raises no exceptions, and the compiler of kernels knows no `try`",
        _KLR,
        "test the condition with `if` or `assert` before the statement that may fail",
    ),
    Rule(
        "with",
        "language-with",
        "error",
        "error",
        "-",
        "`with {subject}` is not a block a kernel can have",
        "the only context manager of the language is nl.no_reorder()",
        f"nki.language.no_reorder; {_KLR}",
        "write the statements without the `with`, or use nl.no_reorder()",
    ),
    Rule(
        "async",
        "language-async",
        "error",
        "error",
        "error",
        "`{subject}` cannot become device code",
        "a kernel is a sequential program; the engines overlap by themselves",
        f"{_GUIDE}; {_KLR}",
        "remove it; independent instructions run in parallel without it",
    ),
    Rule(
        "match",
        "language-match",
        "error",
        "error",
        "-",
        "`{subject}` cannot become device code",
        "branches of a kernel are `if` statements on values known while it is built",
        f"{_GUIDE}, Control Flow; {_KLR}",
        "write if/elif/else",
    ),
    Rule(
        "global",
        "language-global",
        "error",
        "error",
        "-",
        "`{subject}` lets the kernel change what lies outside of it",
        "kernels are cached by their arguments, so they must be pure functions of them",
        f"{_GUIDE}, Kernel Caching",
        "pass the value as an argument and return what changes",
    ),
    Rule(
        "nonlocal",
        "language-statement",
        "note",
        "error",
        "-",
        "`{subject}` changes a variable of the function around",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "keep the value in a list or an NKIObject",
    ),
    Rule(
        "raise",
        "language-statement",
        "note",
        "error",
        "-",
        "`{subject}` ends the build of the kernel",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "use `assert condition, message`",
    ),
    Rule(
        "delete",
        "language-statement",
        "note",
        "error",
        "-",
        "`{subject}` frees no memory of the device",
        "tensors live from their allocation to their last use, whatever names they have",
        f"{_GUIDE}; {_KLR}",
        "remove it",
    ),
    Rule(
        "import",
        "language-statement",
        "note",
        "error",
        "-",
        "`{subject}` stands inside of a function",
        _OPEN,
        f"{_GUIDE}, NKI Namespaces; {_KLR}",
        "import at the top of the file",
    ),
    Rule(
        "loop-else",
        "language-statement",
        "note",
        "error",
        "-",
        "this `{subject}` loop has an `else`",
        _OPEN,
        f"{_GUIDE}, Control Flow; {_KLR}",
        "put the statements after the loop",
    ),
    Rule(
        "type-alias",
        "language-statement",
        "note",
        "error",
        "-",
        "`{subject}` defines a type inside of a function",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "define it at the top of the file",
    ),
    Rule(
        "inner-class",
        "language-statement",
        "note",
        "error",
        "-",
        "class {subject} is defined inside of a function",
        _OPEN,
        f"{_GUIDE}, Class Support; {_KLR}",
        "define it at the top of the file",
    ),
    Rule(
        "inner-function",
        "language-statement",
        "-",
        "error",
        "-",
        "function {subject} is defined inside of a function",
        "the 0.2 parser knows functions of a module only; today's loop functions take inner functions as bodies",
        f"{_KLR}; {_MIGRATION}, 0.5 to 0.6",
        "define it at the top of the file",
    ),
)

_EXPRESSIONS = (
    Rule(
        "is-constant",
        "language-is",
        "note",
        "warning",
        "-",
        "`{subject}` compares identity",
        "the compiler of 0.3 has no `is`, yet public kernels test `is None` everywhere and were compiled",
        f"{_MIGRATION}, 0.2 to 0.3",
        "use == or !=",
    ),
    Rule(
        "is-other",
        "language-is",
        "error",
        "error",
        "-",
        "`{subject}` compares identity, which has no meaning while a kernel is built",
        "values of a kernel are equal or not; which object holds them is the compiler's affair",
        f"{_MIGRATION}, 0.2 to 0.3",
        "use == or !=",
    ),
    Rule(
        "dict-key",
        "language-dict-key",
        "error",
        "error",
        "-",
        "{subject} is no key for a dictionary of a kernel",
        "keys must be strings",
        f"{_GUIDE}, NKI Values",
        "use a string, or a list indexed by number",
    ),
    Rule(
        "comprehension",
        "language-expression",
        "note",
        "error",
        "-",
        "{subject} is not among the documented expressions",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "build it with a for loop and append()",
    ),
    Rule(
        "lambda",
        "language-expression",
        "note",
        "error",
        "-",
        "`{subject}` is not among the documented expressions",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "define a function at the top of the file",
    ),
    Rule(
        "set",
        "language-expression",
        "note",
        "error",
        "-",
        "{subject} is not among the documented values",
        "the containers of a kernel are tuples, lists, dictionaries and NKIObjects",
        f"{_GUIDE}, NKI Values; {_KLR}",
        "use a tuple or a list",
    ),
    Rule(
        "walrus",
        "language-expression",
        "note",
        "error",
        "-",
        "`{subject}` is not among the documented expressions",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "assign on a line of its own",
    ),
    Rule(
        "star-expansion",
        "language-expression",
        "note",
        "error",
        "-",
        "`{subject}` expands a container in place",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "write the items out",
    ),
    Rule(
        "format-spec",
        "language-expression",
        "note",
        "error",
        "-",
        "this f-string gives a format after ':'",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "leave the format out",
    ),
    Rule(
        "matrix-multiply",
        "language-expression",
        "note",
        "error",
        "-",
        "`{subject}` is not an operator of the language",
        _OPEN,
        f"{_GUIDE}; {_KLR}",
        "call nl.matmul or nisa.nc_matmul",
    ),
)

_DEFINITIONS = (
    Rule(
        "kernel-star",
        "language-signature",
        "error",
        "error",
        "-",
        "`{subject}` cannot stand in the signature of a kernel",
        "a kernel is specialised for each parameter by name and position",
        f"{_MIGRATION}, 0.2 to 0.3",
        "write every parameter out, those with defaults last",
    ),
    Rule(
        "helper-star",
        "language-signature",
        "note",
        "error",
        "-",
        "`{subject}` stands in the signature of a helper",
        _OPEN,
        _KLR,
        "write every parameter out",
    ),
    Rule(
        "keyword-parameters",
        "language-signature",
        "note",
        "warning",
        "-",
        "`{subject}` takes arguments that the signature does not name",
        _OPEN,
        _KLR,
        "write every parameter out",
    ),
    Rule(
        "positional-only",
        "language-signature",
        "note",
        "error",
        "-",
        "`{subject}` makes parameters positional-only",
        _OPEN,
        _KLR,
        "remove it",
    ),
    Rule(
        "decorator",
        "language-decorator",
        "-",
        "error",
        "-",
        "a helper is decorated with {subject}",
        "the 0.2 parser reads the text of a helper and knows staticmethod, dataclass and nki.jit only",
        f"{_KLR}; {_MIGRATION}, 0.1 to 0.2",
        "remove the decorator, or apply it where the function is called from Python",
    ),
    Rule(
        "class-without-base",
        "language-class",
        "error",
        "error",
        "-",
        "class {subject} is used by a kernel but has no base class",
        "only classes that inherit from NKIObject (or Enum) are brought into a kernel",
        f"{_GUIDE}, Class Support",
        "derive it from nl.NKIObject",
    ),
    Rule(
        "class-base",
        "language-class",
        "note",
        "error",
        "-",
        "class {subject} inherits from something else than NKIObject or Enum",
        "a class of a kernel inherits from NKIObject and no other class",
        f"{_GUIDE}, Class Support",
        "derive it from nl.NKIObject alone",
    ),
)

RULES: tuple[Rule, ...] = (*_DEVICE_LOOPS, *_STATEMENTS, *_EXPRESSIONS, *_DEFINITIONS)
BY_CONSTRUCT: dict[str, Rule] = {rule.construct: rule for rule in RULES}
