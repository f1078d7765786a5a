"""fail: stop specialisation at the kernel's line with one diagnostic, after all that were found before it."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from nki_sim.diagnostics.model import Diagnostic, error_for
from nki_sim.frontend.recorder import active, current


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
