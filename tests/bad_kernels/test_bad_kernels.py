"""Every finding nki_sim can make has a kernel that makes it, the full text it gets, and a twin mended in one line.

A folder <code>/<case>/ holds bad.py, good.py and expected.txt. The kernel is the last one the file defines, `example`
gives its arguments. Where check() finds nothing, the error comes while the kernel runs, the same on both engines.
Expected texts are written by `pytest --update-golden`; rules of the language's text are in tests/frontend/mistakes.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nki_sim.engines.reference
from nki_sim import Kernel
from nki_sim.diagnostics import model
from nki_sim.diagnostics.model import Diagnostic, NkiSimError
from nki_sim.diagnostics.render import to_text

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/*/bad.py"))
ENGINES = ("jit", "reference")

RAISED: dict[str, type[NkiSimError]] = {
    "accumulation": model.KernelError,
    "attribute": model.KernelError,
    "bounds": model.BoundsError,
    "capacity": model.CapacityError,
    "dtype": model.DtypeError,
    "endless-loop": model.KernelError,
    "operator": model.KernelError,
    "output": model.KernelError,
    "overlap": model.RaceError,
    "owed": model.NotImplementedYet,
    "partition": model.PlacementError,
    "placement": model.PlacementError,
    "shape": model.ShapeError,
    "undocumented": model.UndocumentedBehaviour,
    "uninitialised": model.UninitialisedError,
}
"""What a call raises by code; LanguageError for codes of the language, the kernel's own for kernel-exception."""

WITHOUT_A_PLACE = {
    "dtype/argument-float64": "the arguments are at fault, not a line of the kernel",
    "shape/argument-empty": "as above",
    "owed/precise": "an option of the call is at fault",
}

every_case = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference engine gives up loops without end early: sixteen million passes would take it minutes."""
    monkeypatch.setattr(nki_sim.engines.reference, "MAX_PASSES", 1000)


def load(file: Path) -> tuple[Kernel, Callable[[], tuple[Any, ...]]]:
    """The last kernel a file defines, and the function that makes its arguments."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernels = [value for value in vars(module).values() if isinstance(value, Kernel)]
    return kernels[-1], module.example


def findings(file: Path) -> list[Diagnostic]:
    """What check() says, else what running says; a mistake in the arguments counts too."""
    kernel, example = load(file)
    try:
        arguments = example()
    except NkiSimError as error:
        return list(error.diagnostics)
    found = kernel.check(*arguments)
    if found:
        return found
    seen = [raised(kernel.with_options(engine=engine), example) for engine in ENGINES]
    assert isinstance(seen[0], NkiSimError), "neither the checks nor the run find anything"
    assert str(seen[0]) == str(seen[1]), "the engines say different things"
    return list(seen[0].diagnostics)


def raised(kernel: Kernel, example: Callable[[], tuple[Any, ...]]) -> Exception | None:
    try:
        kernel(*example())
    except Exception as error:
        return error
    return None


def expected_class(first: Diagnostic) -> str:
    if first.code == "kernel-exception":
        return first.message.split(" ", 1)[0]
    if first.owner == "documents":
        return model.UndocumentedBehaviour.__name__
    if first.code.startswith("language-"):
        return model.LanguageError.__name__
    return RAISED[first.code].__name__


@every_case
def test_bad_kernel_gets_the_expected_text_and_exception(
    folder: Path, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # so that the paths in the text are short
    found = findings(folder / "bad.py")
    assert {one.code for one in found} == {folder.parent.name}
    golden(folder / "expected.txt", to_text(found) + "\n")
    error = raised(*load(folder / "bad.py"))
    errors = [one for one in found if one.severity == "error"]
    if errors:
        assert type(error).__name__ == expected_class(errors[0])
    else:
        assert error is None, "warnings and notes stop nothing"


@every_case
def test_mended_kernel_passes_and_runs_on_both_engines(folder: Path) -> None:
    kernel, example = load(folder / "good.py")
    assert kernel.check(*example()) == []
    jit, reference = (kernel.with_options(engine=engine)(*example()) for engine in ENGINES)
    for a, b in zip(_arrays(jit), _arrays(reference), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=1e-5)


def _arrays(results: Any) -> list[np.ndarray[Any, Any]]:
    return list(results) if isinstance(results, (tuple, list)) else [results]


@every_case
def test_the_twins_differ_in_one_line(folder: Path) -> None:
    bad, good = ((folder / name).read_text(encoding="utf-8").splitlines() for name in ("bad.py", "good.py"))
    changed = [line[0] for line in difflib.ndiff(bad, good) if line[0] in "-+"]
    assert changed == ["-", "+"]


@every_case
def test_the_text_names_a_place_and_fits_its_width(folder: Path) -> None:
    lines = (folder / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(("error[", "warning[", "note["))
    assert all(len(line) <= 100 for line in lines)
    nowhere = f"{folder.parent.name}/{folder.name}" in WITHOUT_A_PLACE
    assert any(line.lstrip().startswith("--> bad.py:") for line in lines) is not nowhere
