"""The pages of the codes found in a whole program: what they show is what a call says, and the mended kernel runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nki_sim import Kernel
from nki_sim.diagnostics.model import NkiSimError
from nki_sim.diagnostics.render import to_text
from tests.diagnostics.pages import DIRECTORY, read_page

CODES = ("accumulation", "bounds", "capacity", "output", "overlap", "partition", "placement", "uninitialised")


def load(file: Path, text: str) -> Kernel:
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (found,) = [value for value in vars(module).values() if isinstance(value, Kernel)]
    return found


@pytest.mark.parametrize("code", CODES)
def test_page_shows_what_a_call_says(
    code: str, golden: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = read_page(DIRECTORY / f"{code}.md")
    assert page.title == code
    monkeypatch.chdir(tmp_path)
    a: Any = np.ones((128, 512), np.float32)
    kernel = load(tmp_path / "my_kernel.py", page.failing)
    found = kernel.check(a)
    assert {one.code for one in found} == {code}
    with pytest.raises(NkiSimError):
        kernel(a)
    golden(page.path, page.with_text(to_text(found) + "\n"))
    mended = load(tmp_path / "mended.py", page.mended)
    assert mended.check(a) == []
    differing = [1 for x, y in zip(page.failing.splitlines(), page.mended.splitlines(), strict=True) if x != y]
    assert len(differing) == 1, "the two kernels differ in one line"
