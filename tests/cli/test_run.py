"""nki-sim run: results, the reference, in-place kernels, --save, exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

FILES = Path(__file__).parent / "files"
GOLDEN = Path(__file__).parent / "golden"


def without_times(text: str) -> str:
    """Wall-clock times replaced: they differ at every run."""
    return re.sub(r"[\d.]+ ms", "# ms", text)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("engine", ["jit", "reference"])
def test_each_kernel_of_a_file(
    nki_sim: Callable[..., Result], golden: Callable[[Path, str], None], engine: str, width: int
) -> None:
    text = []
    for name, code in (("doubled", 0), ("off_by_one", 1), ("negates_in_place", 0), ("half_written", 1)):
        done = nki_sim(f"run several.py::{name} --engine {engine}", width=width)
        assert done.exit_code == code, done.output
        assert f" on trn2, {engine}\n" in done.stdout
        text.append(without_times(done.stdout).replace(f" on trn2, {engine}\n", " on trn2, ENGINE\n") + done.stderr)
    golden(GOLDEN / f"run-{width}.txt", "\n".join(text))


def test_the_times_are_there(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("run several.py::doubled")
    assert re.search(r"first call \d+ ms \(.*\), again \d+\.\d\d ms\n", done.stdout)


def test_a_refusal_ends_the_run_of_a_file(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("run several.py")
    assert done.exit_code == 1
    assert "doubled(float32[3, 4]) on trn2, jit" in done.stdout
    assert "error[uninitialised]" in done.stderr


@pytest.mark.parametrize("engine", ["jit", "reference"])
def test_a_file_for_import_nki(nki_sim: Callable[..., Result], engine: str) -> None:
    done = nki_sim(f"run foreign.py --arg x=128x64:bfloat16 --seed 7 --engine {engine}")
    assert done.exit_code == 0, done.output
    assert f"add_one(bfloat16[128, 64]) on trn2, {engine}" in done.stdout
    assert "reference" not in done.stdout.splitlines()[-1]
    assert without_times(nki_sim(f"run foreign.py --arg x=128x64:bfloat16 --seed 8 --engine {engine}").stdout) != (
        without_times(done.stdout)
    )


def test_results_are_saved(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    done = nki_sim("run several.py::split --arg x=4x6:bfloat16 --arg scale=-1.0 --save", str(path))
    assert done.exit_code == 0, done.output
    with np.load(path) as saved:
        left, right = saved["arr_0"], saved["arr_1"]
    assert left.shape == right.shape == (4, 3) and left.dtype == np.float32
    assert "result0: bfloat16[4, 3]" in done.stdout and "result1: bfloat16[4, 3]" in done.stdout
    assert f"min {left.min():.6g}" in done.stdout


def test_what_cannot_be_saved(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    done = nki_sim("run several.py::doubled --save", str(tmp_path / "missing" / "out.npz"))
    assert done.exit_code == 1 and "could not be written" in done.stderr
    several = nki_sim("run several.py --save", str(tmp_path / "out.npz"))
    assert several.exit_code == 2 and "--save needs one kernel; name it: several.py::doubled" in several.stderr


def test_what_the_file_raises_is_told_at_its_line(nki_sim: Callable[..., Result]) -> None:
    for name, text, line in (
        ("looks_up", "KeyError: 'large'", 13),
        ("copied", "ValueError: the data file is not here", 34),
        ("copied_again", "ZeroDivisionError: in the reference", 38),
    ):
        done = nki_sim(f"run raising.py::{name}")
        assert done.exit_code == 1, done.output
        assert f"error[kernel-exception]: {text}" in done.stderr
        assert f"--> raising.py:{line}:" in done.stderr


def test_as_a_program_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nki_sim.cli", "run", "foreign.py::add_one", "--arg", "x=4x8:int32"],
        cwd=FILES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("add_one(int32[4, 8]) on trn2, jit\n")
