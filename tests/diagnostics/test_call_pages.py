"""The pages of codes found when a kernel is built or run show what a call says, and the mended kernels run."""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nki_sim.engines.reference
from nki_sim.diagnostics.model import Diagnostic, NkiSimError
from nki_sim.diagnostics.render import to_text
from tests.bad_kernels.test_coverage import existing_codes
from tests.checks.test_pages import CODES as OF_THE_CHECKS
from tests.checks.test_pages import load
from tests.diagnostics.pages import DIRECTORY, pages, read_page
from tests.diagnostics.test_language_pages import LANGUAGE_PAGES

TESTED_ELSEWHERE = {path.stem for path in LANGUAGE_PAGES} | set(OF_THE_CHECKS)
PAGES = [path for path in pages() if path.stem not in TESTED_ELSEWHERE]
ARGUMENT: Any = np.ones((128, 512), np.float32)


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference engine gives up loops without end early."""
    monkeypatch.setattr(nki_sim.engines.reference, "MAX_PASSES", 1000)


def findings(file: Path, text: str, engine: str) -> list[Diagnostic]:
    """What importing a page's file, checking its kernel or running it says, whichever comes first."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            kernel = load(file, text).with_options(engine=engine)
        found = kernel.check(ARGUMENT)
        if not found:
            kernel(ARGUMENT)
        return found
    except NkiSimError as error:
        return list(error.diagnostics)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_shows_what_a_call_says(
    path: Path, golden: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = read_page(path)
    assert page.title == path.stem
    monkeypatch.chdir(tmp_path)
    for engine in ("jit", "reference"):
        found = findings(tmp_path / "my_kernel.py", page.failing, engine)
        assert {one.code for one in found} == {path.stem}
        golden(path, page.with_text(to_text(found) + "\n"))
        assert findings(tmp_path / "mended.py", page.mended, engine) == []
    changed = [line[0] for line in difflib.ndiff(page.failing.splitlines(), page.mended.splitlines())]
    assert [sign for sign in changed if sign in "-+"] == ["-", "+"]


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert {path.stem for path in pages()} == existing_codes()


def test_the_index_says_of_every_page_what_it_begins_with() -> None:
    index = (DIRECTORY / "README.md").read_text(encoding="utf-8").splitlines()
    for path in pages():
        beginning = path.read_text(encoding="utf-8").split("\n\n")[1].replace("\n", " ")
        sentence = re.split(r"(?<=\.)\s", beginning)[0].rstrip(".")
        assert f"| [`{path.stem}`]({path.name}) | {sentence} |" in index
