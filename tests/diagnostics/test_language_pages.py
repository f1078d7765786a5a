"""The pages of the language codes: what they print is what the checker prints, and the mended kernel passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nki_sim.diagnostics.model import Diagnostic, LanguageError
from nki_sim.diagnostics.render import to_text
from nki_sim.frontend.dialect import check
from nki_sim.frontend.dialect_rules import RULES
from nki_sim.frontend.source import SourceUnit, units_in_module
from tests.diagnostics.pages import DIRECTORY, Page, pages, read_page

TEXT_CODES = {rule.code for rule in RULES} | {"language-syntax", "language-source"}
"""Codes that the text of a kernel shows. The other codes of the language come up when it is built."""
LANGUAGE_PAGES = [path for path in pages("language-") if path.stem in TEXT_CODES]


def findings(page: Page, text: str, file: Path) -> list[Diagnostic]:
    file.write_text(text, encoding="utf-8")
    try:
        return [one for unit in units_in_module(text, str(file)) for one in check(unit, page.dialect)]
    except LanguageError as error:
        return list(error.diagnostics)


def source_findings(text: str, file: str) -> list[Diagnostic]:
    """What is found when the text's last function is looked up after `exec`."""
    namespace: dict[str, object] = {}
    exec(compile(text, file, "exec"), namespace)
    function = [value for name, value in namespace.items() if name == "double"][-1]
    try:
        return check(SourceUnit.of(function))
    except LanguageError as error:
        return list(error.diagnostics)


@pytest.mark.parametrize("path", LANGUAGE_PAGES, ids=lambda path: path.stem)
def test_page_shows_what_the_checker_says(
    path: Path, golden: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = read_page(path)
    assert page.title == path.stem
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my_kernel.py"
    if path.stem == "language-source":
        found = source_findings(page.failing, "<stdin>")
        file.write_text(page.mended, encoding="utf-8")
        mended = source_findings(page.mended, str(file))
    else:
        found = findings(page, page.failing, file)
        mended = findings(page, page.mended, tmp_path / "mended.py")
    assert {one.code for one in found} == {path.stem}
    assert mended == []
    golden(path, page.with_text(to_text(found) + "\n"))


def test_every_code_of_the_language_has_a_page_and_every_page_is_listed() -> None:
    assert {path.stem for path in LANGUAGE_PAGES} == TEXT_CODES
    index = (DIRECTORY / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in pages() if f"({path.name})" not in index] == []
