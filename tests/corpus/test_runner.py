"""The runner of public kernels, on kernels of our own in a folder that stands for a checkout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nki_sim import compat
from tests.corpus import __main__ as runner
from tests.corpus.cases import OWED, Case, cases

FILE = """
import os
import nki
import nki.isa as nisa
import nki.language as nl

os.environ["A_VARIABLE_THE_FILE_SETS"] = "1"

@nki.jit
def doubled(x):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.multiply(nl.load(x), 2.0))
    return out

@nki.jit
def two(x):
    return doubled(x), doubled(x)

@nki.jit
def too_tall(x):
    tile = nl.ndarray((256, 4), nl.float32, buffer=nl.sbuf)

@nki.jit
def misses_a_name(x):
    nowhere(x)

@nki.jit
def asks_for_more(x):
    nisa.max8(dst=x, src=x)
"""


def ones(_rng: np.random.Generator) -> tuple[Any, ...]:
    return (np.ones((2, 3), np.float32),)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "some_kernels.py").write_text(FILE)
    (tmp_path / "kernels" / "unclosed.py").write_text("def f(:\n")
    yield tmp_path
    compat.uninstall()


def case(kernel: str, path: str = "kernels/some_kernels.py", **fields: Any) -> Case:
    return Case(repo="sdk", path=path, kernel=kernel, **{"inputs": ones, **fields})


@pytest.mark.parametrize("engine", ["reference", "jit"])
def test_a_match_and_how_close(root: Path, engine: str) -> None:
    exact = runner.run(case("doubled", reference=lambda x: 2.0 * x), root, engine)
    assert (exact.ok, exact.text) == (True, "0.0e+00 of 1.0e-05")
    near = runner.run(case("doubled", reference=lambda x: 2.5 * x, relative=0.2), root, engine)
    assert (near.ok, near.text) == (True, "2.0e-01 of 2.0e-01")
    far = runner.run(case("doubled", reference=lambda x: 2.5 * x, relative=0.1), root, engine)
    assert (far.ok, far.text) == (False, "2.0e-01 of 1.0e-01")


@pytest.mark.parametrize(
    ("kernel", "reference"),
    [
        ("two", lambda x: 2.0 * x),
        ("doubled", lambda x: (2.0 * x, 2.0 * x)),
        ("doubled", lambda x: 2.0 * x.T),
        ("doubled", lambda x: np.where(x == 1, np.nan, x)),
    ],
)
def test_other_shapes_counts_and_nans_never_match(root: Path, kernel: str, reference: Any) -> None:
    outcome = runner.run(case(kernel, reference=reference, relative=1e9), root, "reference")
    assert (outcome.ok, outcome.text) == (False, "inf of 1.0e+09")


def test_several_results(root: Path) -> None:
    outcome = runner.run(case("two", reference=lambda x: (2.0 * x, 3.0 * x), relative=0.5), root, "reference")
    assert outcome.ok and outcome.text == "3.3e-01 of 5.0e-01"


@pytest.mark.parametrize(
    ("kernel", "expect", "word", "ok"),
    [
        ("too_tall", "refused", "256 partitions", True),
        ("too_tall", "refused", "PSUM", False),
        ("too_tall", "owed", "256 partitions", False),
        ("too_tall", "match", "", False),
        ("misses_a_name", "broken", "nowhere", True),
        ("misses_a_name", "refused", "nowhere", False),
        ("asks_for_more", "owed", "max8", True),
        ("asks_for_more", "refused", "max8", False),
        ("not_in_the_file", "broken", "", False),
    ],
)
def test_what_does_not_run_must_fail_as_the_case_says(
    root: Path, kernel: str, expect: Any, word: str, ok: bool
) -> None:
    outcome = runner.run(case(kernel, expect=expect, word=word), root, "reference")
    assert outcome.ok is ok
    assert outcome.text.startswith(f"{expect}: ") is ok


def test_the_line_is_told(root: Path) -> None:
    outcome = runner.run(case("too_tall", expect="refused", word="256"), root, "reference")
    line = FILE.splitlines().index("    tile = nl.ndarray((256, 4), nl.float32, buffer=nl.sbuf)") + 1
    assert outcome.text.startswith("refused: ndarray: sbuf tensor [256, 4] has 256 partitions")
    assert outcome.text.endswith(f"(line {line})")


def test_a_kernel_that_should_have_failed(root: Path) -> None:
    outcome = runner.run(case("doubled", expect="refused", word="x"), root, "reference")
    assert (outcome.ok, outcome.text) == (False, "ran, but should have been refused")


def test_the_environment_is_as_before(root: Path) -> None:
    runner.run(case("doubled", reference=lambda x: 2.0 * x), root, "reference")
    assert "A_VARIABLE_THE_FILE_SETS" not in os.environ


def test_no_path_of_this_machine_in_the_text(root: Path) -> None:
    for one in (
        case("f", "kernels/unclosed.py", expect="broken", word=""),
        case("f", "kernels/missing.py"),
        case("misses_a_name", expect="broken", word="nowhere"),
    ):
        outcome = runner.run(one, root, "reference")
        assert outcome.text and str(root) not in outcome.text


def test_the_table_counts_what_is_wrong(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [
        case("doubled", reference=lambda x: 2.0 * x, sizes="2x3 float32"),
        case("doubled", reference=lambda x: 3.0 * x),
        Case(repo="samples", path="kernels/some_kernels.py", kernel="doubled"),
    ]
    rows, wrong = runner.table(chosen, {"sdk": root, "samples": None}, "reference")
    assert wrong == 1 and len(rows) == 4
    assert rows[2] == "| sdk: kernels/some_kernels.py | `doubled` | 2x3 float32 | 0.0e+00 of 1.0e-05 | yes |"
    assert rows[3].endswith("| NO |")
    assert all(row.count(" | ") == rows[0].count(" | ") for row in rows[2:])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines] == ["ok  ", "BAD "]


def test_the_cases_are_whole() -> None:
    found = cases()
    assert len({(one.repo, one.path, one.kernel) for one in found}) == len(found)
    for one in found:
        assert (one.reference is not None) == (one.expect == "match")
        assert one.expect == "match" or one.word
        if one.reference is not None:
            assert one.sizes
    assert all(why for _, why in OWED)
    # Matrix products at the size of the smallest: the reference takes what the kernel takes.
    for one in (one for one in found if one.kernel == "nki_matmul_basic_"):
        arguments = one.inputs(np.random.default_rng(0))
        assert one.reference is not None and one.reference(*arguments).shape == (64, 512)


def test_the_published_table_is_of_these_cases() -> None:
    lines = runner.TABLE.read_text().splitlines()
    rows = [line for line in lines if line.startswith(("| sdk:", "| samples:"))]
    assert [row.split(" | ")[:2] for row in rows] == [[f"| {c.repo}: {c.path}", f"`{c.kernel}`"] for c in cases()]
    assert all(row.endswith("| yes |") for row in rows)
    assert not any(re.search(r"[\s`'\"(]/\w", line) for line in lines)  # no path that starts at a root
