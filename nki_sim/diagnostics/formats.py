"""Diagnostics for programs: JSON for tools, workflow commands for GitHub.

The JSON of one diagnostic, keys in this order:

    severity   "error", "warning" or "note"
    code       stable; has a page under docs/diagnostics/
    message    one sentence
    owner      whose move it is: "kernel", "documents" or "simulator"
    label      text beside the marked place; may be ""
    spans      places, innermost call first; each {file, line, column, end_line, end_column, function}; lines and
               columns count from 1, end_column is one past the last character, 0 where it is not known
    related    places as above, each with a key "text"
    facts      sentences
    fix        one sentence; may be ""
    count      how many findings this one stands for
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nki_sim.diagnostics.model import Diagnostic
from nki_sim.diagnostics.render import shown_path
from nki_sim.program.spans import SourceSpan

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def to_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """The findings as plain lists and dictionaries, ready for `json.dumps`; the schema is this module's docstring."""
    return [
        {
            "severity": one.severity,
            "code": one.code,
            "message": one.message,
            "owner": one.owner,
            "label": one.label,
            "spans": [_span(span) for span in one.spans],
            "related": [{**_span(span), "text": text} for span, text in one.related],
            "facts": list(one.facts),
            "fix": one.fix,
            "count": one.count,
        }
        for one in diagnostics
    ]


def _span(span: SourceSpan) -> dict[str, Any]:
    return {
        "file": shown_path(span.file),
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "function": span.function,
    }


def to_github(diagnostics: Iterable[Diagnostic]) -> str:
    """One workflow command per finding and line, which GitHub shows beside the changed source.

    Format: ``::error file=F,line=L,endLine=L,col=C,endColumn=C,title=CODE::MESSAGE``.
    """
    return "\n".join(_command(one) for one in diagnostics)


def _command(one: Diagnostic) -> str:
    properties: dict[str, str] = {}
    span = one.span
    if span is not None:
        properties["file"] = shown_path(span.file)
        properties["line"] = str(span.line)
        same_line = span.end_line in (0, span.line)
        if span.end_line:
            properties["endLine"] = str(span.end_line)
        if span.column and same_line:  # GitHub takes columns within one line only
            properties["col"] = str(span.column)
            if span.end_column:
                properties["endColumn"] = str(max(span.end_column - 1, span.column))
    properties["title"] = one.code
    details = [one.message, *one.facts]
    if one.fix:
        details.append(f"fix: {one.fix}")
    if one.count > 1:
        details.append(f"({one.count - 1} more like this)")
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{_COMMANDS[one.severity]} {shown}::{_data(chr(10).join(details))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
