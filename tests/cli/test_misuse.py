"""Every verb, used wrongly: a word on what is wrong, never a traceback (the fixture fails on one)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Invoke = Callable[..., Result]


@pytest.mark.parametrize(
    "command",
    [
        "check uses_helpers.py::raising",
        "run uses_helpers.py::raising",
        "profile uses_helpers.py::raising",
        "explain uses_helpers.py::raising:22",
        "explain helpers.py:9 --kernel uses_helpers.py::raising",
        "compare uses_helpers.py::raising uses_helpers.py::twice",
        "compare uses_helpers.py::twice uses_helpers.py::raising",
    ],
)
def test_what_a_kernel_raises_is_shown_at_its_line(nki_sim: Invoke, command: str) -> None:
    done = nki_sim(command, width=200)
    assert done.exit_code == 1
    assert "error[kernel-exception]: ZeroDivisionError" in done.output
    assert "return x.shape[0] / 0" in done.output


@pytest.mark.parametrize("verb", ["compare uses_helpers.py uses_helpers.py", "explain uses_helpers.py:12"])
def test_seeds_are_natural_numbers(nki_sim: Invoke, verb: str) -> None:
    done = nki_sim(f"{verb} --seed -1", width=200)
    assert done.exit_code == 2 and "-1 is not in the range x>=0" in done.stderr


@pytest.mark.parametrize(
    "name, says",
    [
        (
            "twice",
            "cannot be held against the NumPy reference: the kernel returns shape (128, 512), the reference (512,)",
        ),
        ("nothing", "cannot be held against the NumPy reference: the kernel or its reference returns nothing"),
    ],
)
def test_results_of_another_kind_are_wrong(nki_sim: Invoke, name: str, says: str) -> None:
    done = nki_sim(f"run uses_helpers.py::{name}", width=200)
    assert done.exit_code == 1 and says in done.stderr


def test_a_kernel_without_instructions_has_a_report(nki_sim: Invoke) -> None:
    done = nki_sim("profile uses_helpers.py::nothing --full")
    assert done.exit_code == 0 and "nothing was executed" in done.stdout


@pytest.fixture
def saved(nki_sim: Invoke, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "saved.json"
    assert nki_sim("profile uses_helpers.py::twice --save", str(path)).exit_code == 0
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def damage(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """`document` with another value at a path; without it when the value is None."""
    *above, last = path.split(".")
    at: Any = document
    for name in above:
        at = at[int(name)] if name.isdigit() else at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return document


@pytest.mark.parametrize(
    "path, value, says",
    [
        ("total_ns", None, "total_ns: total_ns is missing"),
        ("total_ns", "long", "total_ns: 'long' is no number"),
        ("kernel", 3, "kernel: 3 is no text"),
        ("lines", None, "lines is missing"),
        ("lines", {}, "lines is no list"),
        ("lines", [1], "1 has no fields"),
        ("lines.0.at.text", None, "lines[].at.text: text is missing"),
        ("engines.vector.busy_ns", "x", "engines.*.busy_ns: 'x' is no number"),
        ("critical_path", None, "critical_path is missing"),
        ("metrics", [], "metrics.*: [] has no fields"),
    ],
)
def test_damaged_profiles_are_refused(
    nki_sim: Invoke, tmp_path: Path, saved: dict[str, Any], path: str, value: object, says: str
) -> None:
    file = tmp_path / "damaged.json"
    file.write_text(json.dumps(damage(saved, path, value)), "utf-8")
    for command in (f"profile uses_helpers.py::twice --baseline {file}", f"compare {file} uses_helpers.py::twice"):
        done = nki_sim(command, width=400)
        assert done.exit_code == 2 and done.stdout == ""
        assert "a damaged profile, " in done.stderr and says in done.stderr


@pytest.mark.parametrize("text", ["null", "[]", "[1]", "3", "{}"])
def test_other_json_is_no_baseline(nki_sim: Invoke, tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text, "utf-8")
    done = nki_sim(f"profile uses_helpers.py::twice --baseline {file}", width=400)
    assert done.exit_code == 2 and ("not a profile" in done.stderr or "holds no profile" in done.stderr)


def test_the_gate_replays_nothing(nki_sim: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "saved.json"
    assert nki_sim("profile profiled.py::keeping --save", str(file)).exit_code == 0

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the gate asked for advice")

    monkeypatch.setattr("nki_sim.profiler.reporters.report.render", lambda *_, **__: iter(()))
    monkeypatch.setattr("nki_sim.profiler.profile.advise", forbidden)
    assert nki_sim(f"profile profiled.py::keeping --baseline {file} --fail-if-slower 0%").exit_code == 0


@pytest.mark.parametrize("option", ["--save", "--html", "--trace", "--csv"])
def test_an_output_needs_a_name(nki_sim: Invoke, option: str) -> None:
    done = nki_sim("profile uses_helpers.py::twice", option, "")
    assert done.exit_code == 2 and f"{option} needs a name" in done.stderr
