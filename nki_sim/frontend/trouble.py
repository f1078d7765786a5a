"""Where in the kernel an ordinary Python exception came from."""

from __future__ import annotations

from types import CodeType

from nki_sim.program.spans import SourceSpan, resolve


def spans_of_traceback(error: BaseException, entry: CodeType) -> tuple[SourceSpan, ...]:
    """The user's part of an exception's traceback as source spans, innermost first, out to the frame of `entry`."""
    spans: list[SourceSpan] = []
    trace = error.__traceback__
    inside = False
    while trace is not None:
        code = trace.tb_frame.f_code
        inside = inside or code is entry
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if inside and (code is entry or not module.startswith("nki_sim.")):
            spans.append(resolve(code, trace.tb_lasti))
        trace = trace.tb_next
    return tuple(reversed(spans))
