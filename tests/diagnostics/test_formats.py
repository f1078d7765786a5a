"""Findings as JSON and as GitHub workflow commands."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from nki_sim.diagnostics.formats import to_github, to_json
from nki_sim.diagnostics.model import Diagnostic
from nki_sim.program.spans import SourceSpan

FINDING = Diagnostic(
    code="shape",
    message="stationary is [K=128, M=256]: 50% too wide",
    spans=(SourceSpan("k.py", 31, 29, 31, 37, "inner"), SourceSpan("k.py", 58, 5, 58, 30, "outer")),
    label="allocated at line 24",
    related=((SourceSpan("k.py", 24, 5), "allocated here"),),
    facts=("128 columns",),
    fix="split M",
    count=2,
)


def test_json_has_every_field_and_survives_a_round_trip() -> None:
    (found,) = json.loads(json.dumps(to_json([FINDING])))
    assert found == {
        "severity": "error",
        "code": "shape",
        "message": "stationary is [K=128, M=256]: 50% too wide",
        "owner": "kernel",
        "label": "allocated at line 24",
        "spans": [
            {"file": "k.py", "line": 31, "column": 29, "end_line": 31, "end_column": 37, "function": "inner"},
            {"file": "k.py", "line": 58, "column": 5, "end_line": 58, "end_column": 30, "function": "outer"},
        ],
        "related": [
            {
                "file": "k.py",
                "line": 24,
                "column": 5,
                "end_line": 0,
                "end_column": 0,
                "function": "",
                "text": "allocated here",
            }
        ],
        "facts": ["128 columns"],
        "fix": "split M",
        "count": 2,
    }


def test_github_command() -> None:
    assert to_github([FINDING]) == (
        "::error file=k.py,line=31,endLine=31,col=29,endColumn=36,title=shape::"
        "stationary is [K=128, M=256]: 50%25 too wide%0A128 columns%0Afix: split M%0A(1 more like this)"
    )


def test_github_without_a_place_and_over_several_lines() -> None:
    note = Diagnostic(code="owed", message="later", severity="note")
    wide = Diagnostic(code="shape", message="m", severity="warning", spans=(SourceSpan("a,b:c.py", 1, 2, 3, 4),))
    assert to_github([note, wide]).split("\n") == [
        "::notice title=owed::later",
        "::warning file=a%2Cb%3Ac.py,line=1,endLine=3,title=shape::m",
    ]


@given(st.text(), st.text())
def test_github_keeps_one_finding_on_one_line_and_text_intact(message: str, fact: str) -> None:
    line = to_github([Diagnostic(code="c", message=message, facts=(fact,))])
    assert "\n" not in line and "\r" not in line
    data = line.removeprefix("::error title=c::")
    decoded = data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    assert decoded == f"{message}\n{fact}"
