"""fail: stop specialisation at the kernel's line with one diagnostic, after all that were found before it."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from nki_sim.diagnostics.model import Diagnostic, error_for
from nki_sim.frontend.recorder import active, current
from nki_sim.program.dtypes import DType, dtype_of


def a_type(value: Any) -> str:
    """``an int``: the type of a value with its article."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


_NARROWER = {"float64": "float32", "int64": "int32", "uint64": "uint32"}


def named_dtype(what: str, value: Any) -> DType:
    """The NKI type that `value` names; `what` begins the sentence when there is none."""
    try:
        return dtype_of(value)
    except TypeError:
        name = getattr(value, "__name__", None) or str(value)
        narrower = _NARROWER.get(name)
        fail(
            "dtype",
            f"{what} is {name}, which NKI does not have",
            facts=("NKI has int and uint of 8, 16, 32 bits, float32, float16, bfloat16, tfloat32, float8 and bool",),
            fix=f"use {narrower}" if narrower else "use a type of nl, such as nl.float32",
        )


def fail(code: str, message: str, **fields: Any) -> NoReturn:
    """Raise the exception for `code` at the innermost line of the user's code; earlier findings go with it.

    fields   other fields of Diagnostic: facts, fix, owner, ...
    """
    if not active():
        raise error_for([Diagnostic(code=code, message=message, **fields)])
    recorder = current()
    spans = recorder.program.spans(recorder.site(sys._getframe(1)))
    earlier = [d for d in recorder.diagnostics if d.severity == "error"]
    found = Diagnostic(code=code, message=message, spans=spans, **fields)
    raise error_for([*earlier, found])
