"""The dialect check beyond its rules: severities, counting, loops, whole kernels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nki_sim.frontend.dialect import check, check_kernel, is_while_test, while_lines
from nki_sim.frontend.source import SourceUnit, units_in_module

ROOT = Path(__file__).resolve().parents[2]


def unit(body: str, *, decorated: bool = True) -> SourceUnit:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    (found,) = units_in_module(("@kernel\n" if decorated else "") + "def k(a):\n" + lines, "k.py")
    return found


LEGAL = [
    "for i in range(4):\n    if i == 2:\n        break",
    "for i in nl.dynamic_range(4):\n    for j in range(3):\n        if j:\n            break\n        continue",
    "for i in nl.dynamic_range(4):\n    def body(j):\n        return j\n    x = body",
    "while True:\n    break",
    "while flag:\n    return a",
    "for i in nl.affine_range(4):\n    i = i + 1",
    "for i in nl.dynamic_range(4):\n    pass\ni = 3",
    "for i in nl.dynamic_range(4):\n    t[i] = 3\n    nisa.register_move(other, i)",
    "with nl.no_reorder():\n    for i in nl.static_range(3):\n        pass",
    "for i in nl.dynamic_range(4):\n    with nl.no_reorder():\n        pass",
    "x = {'a': 1, key: 2, nl.float32: 3}",
    "print(f'{a.shape} {a[0:1]}')",
    "def body(i):\n    pass\nnl.fori_loop(0, 4, body)",
    "x, (y, z) = a.shape, (1, 2)\nassert x if y else z, f'{x}'",
    "a.shape[0] == 1 and a in (b, c) or not d",
]


@pytest.mark.parametrize("body", LEGAL)
def test_legal_kernels_get_nothing(body: str) -> None:
    assert check(unit(body)) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("for i in nl.dynamic_range(4):\n    for j in range(3):\n        return a", "language-dynamic-exit"),
        ("for i in nl.dynamic_range(4):\n    if a:\n        continue", "language-dynamic-exit"),
        ("r = nisa.register_alloc(1)\nwhile r:\n    break", "language-dynamic-exit"),
        ("for i in nl.dynamic_range(4):\n    x, i = 1, 2", "language-dynamic-counter"),
        ("for i in nl.dynamic_range(4):\n    i += 1", "language-dynamic-counter"),
        ("for i in nl.dynamic_range(4):\n    for i in range(2):\n        pass", "language-dynamic-counter"),
        ("for i in nl.dynamic_range(4):\n    nisa.register_load(dst=i, src=t)", "language-dynamic-counter"),
        ("with nl.no_reorder():\n    nl.fori_loop(0, 4, body)", "language-no-reorder"),
        ("with nl.no_reorder():\n    if a:\n        for i in nl.dynamic_range(4): pass", "language-no-reorder"),
        ("x = {None: 1}", "language-dict-key"),
        ("x = yield", "language-generator"),
        ("def inner():\n    yield from a", "language-generator"),
        ("with a, nl.no_reorder():\n    pass", "language-with"),
    ],
)
def test_errors_of_today_are_silent_or_errors_in_beta_1(body: str, code: str) -> None:
    assert [(one.code, one.severity) for one in check(unit(body))] == [(code, "error")]
    assert {one.code for one in check(unit(body), "beta1")} <= {"language-generator"}


def test_notes_of_one_kind_are_one_note_with_a_count() -> None:
    (note,) = check(unit("x = a is None\ny = b is None\nz = c is None"))
    assert (note.severity, note.count) == ("note", 3)
    assert note.span is not None and note.span.line == 3


def test_errors_come_one_by_one_in_the_order_of_the_text() -> None:
    found = check(unit("for i in nl.dynamic_range(4):\n    if a:\n        break\n    i = 1\n    continue"))
    assert [one.span.line for one in found if one.span] == [5, 6, 7]


def test_an_unknown_dialect() -> None:
    with pytest.raises(ValueError, match="beta2"):
        check(unit("pass"), "beta2")


def test_loops_that_only_the_text_shows() -> None:
    several_lines = "while a.b[\n    0\n]:\n    pass\n"
    found = unit("while reg:\n    pass\n" + several_lines + "while x < 3: pass\nwhile not reg: pass\nwhile f(): pass")
    assert while_lines(found) == {3, 5, 6, 7, 11}


class _Register:
    """Notes, for every truth test, whether it was that of a `while`."""

    def __init__(self) -> None:
        self.tests: list[bool] = []

    def __bool__(self) -> bool:
        frame = sys._getframe(1)
        self.tests.append(is_while_test(frame.f_code, frame.f_lineno))
        return False


def test_truth_of_a_while_is_told_from_other_truths() -> None:
    register = _Register()
    holder = [register]
    while register:
        pass
    while holder[0]:
        pass
    if register:
        pass
    while not register:
        break
    _ = register and 1
    _ = [1 for _ in range(1) if register]
    assert register.tests == [True, True, False, False, False, False]


def _helper(a: object) -> object:
    try:
        return a
    except ValueError:
        return None


class _Plain:
    def __init__(self) -> None:
        self.a = 1


def _kernel(a: object) -> object:
    assert a is not None
    return _helper(_Plain())


def test_a_kernel_is_checked_with_its_helpers_and_classes() -> None:
    found, codes = check_kernel(_kernel)
    assert [(one.severity, one.code) for one in found] == [
        ("note", "language-is"),
        ("error", "language-try"),
        ("error", "language-class"),
    ]
    assert {_kernel.__code__, _helper.__code__, _Plain.__init__.__code__} == codes


def test_a_helper_without_text_is_a_note() -> None:
    namespace: dict[str, object] = {}
    exec("def lost(a):\n    return a\n", namespace)
    lost = namespace["lost"]

    def start(a: object) -> object:
        return lost(a)  # type: ignore[operator]

    found, _ = check_kernel(start)
    assert [(one.severity, one.code) for one in found] == [("note", "language-source")]


def test_the_parser_is_not_imported_before_a_text_is_read() -> None:
    program = (
        "import sys, nki_sim.frontend.dialect, nki_sim.frontend.source, nki_sim.frontend.locate\n"
        "assert 'lark' not in sys.modules, 'lark was imported'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
