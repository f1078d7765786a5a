"""Every rule of the language has a kernel that breaks it, with the full text it gets, and a mended twin that passes.

A folder mistakes/<code>/<construct>/ holds bad.py, good.py and expected.txt. A first line `# dialect: nki-0.2` in a
kernel chooses the dialect. Expected texts are written by `pytest --update-golden`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nki_sim.diagnostics.model import Diagnostic, LanguageError
from nki_sim.diagnostics.render import to_text
from nki_sim.frontend.dialect import check
from nki_sim.frontend.dialect_rules import DIALECTS, RULES
from nki_sim.frontend.source import units_in_module

MISTAKES = Path(__file__).parent / "mistakes"
FOLDERS = sorted(path.parent for path in MISTAKES.glob("*/*/bad.py"))


def findings(path: Path) -> list[Diagnostic]:
    text = path.read_text(encoding="utf-8")
    first = text.split("\n", 1)[0]
    dialect = first.removeprefix("# dialect: ") if first.startswith("# dialect: ") else "nki"
    try:
        return [one for unit in units_in_module(text, str(path)) for one in check(unit, dialect)]
    except LanguageError as error:
        return list(error.diagnostics)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_bad_kernel_gets_the_expected_text(
    folder: Path, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # so that the paths in the text are short
    found = findings(folder / "bad.py")
    assert {one.code for one in found} == {folder.parent.name}
    golden(folder / "expected.txt", to_text(found) + "\n")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_mended_kernel_passes(folder: Path) -> None:
    assert findings(folder / "good.py") == []


def test_every_rule_has_a_mistake() -> None:
    shown: set[str] = set()
    for folder in FOLDERS:
        for rule in RULES:
            if folder.parent.name == rule.code and folder.name.startswith(rule.construct):
                shown.add(rule.construct)
    assert {rule.construct for rule in RULES} - shown == set()


def test_rules_are_one_per_construct_and_say_where_they_come_from() -> None:
    assert len({rule.construct for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.source and rule.fix and rule.fact
        assert any(rule.severity(dialect) for dialect in DIALECTS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.construct)
def test_the_strict_dialect_is_at_least_as_strict(rule: object) -> None:
    order = {None: 0, "note": 1, "warning": 2, "error": 3}
    severity = getattr(rule, "severity")  # noqa: B009
    assert order[severity("beta1")] <= order[severity("nki")] <= order[severity("nki-0.2")]
