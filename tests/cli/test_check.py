"""nki-sim check: what it prints, in its three formats, and how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

FILES = Path(__file__).parent / "files"
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("width", [80, 120])
def test_a_whole_file(nki_sim: Callable[..., Result], golden: Callable[[Path, str], None], width: int) -> None:
    done = nki_sim("check several.py", width=width)
    assert done.exit_code == 1
    assert done.stderr == "no example inputs, left out: split\n"
    golden(GOLDEN / f"check-{width}.txt", done.stdout)


def test_help_names_every_option(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("check --help")
    assert done.exit_code == 0
    for option in ("FILE[::KERNEL]", "--arg NAME=VALUE", "--target", "--seed", "--format", "--emit", "--notes"):
        assert option in done.stdout


def test_a_legal_kernel_exits_with_0(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("check several.py::doubled")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "doubled: legal for trn2\n", "")


def test_the_target_is_the_one_asked_for(nki_sim: Callable[..., Result]) -> None:
    assert nki_sim("check several.py::doubled --target trn1").stdout == "doubled: legal for trn1\n"
    refused = nki_sim("check several.py::doubled --target trn9")
    assert refused.exit_code == 2 and "'trn9' is not one of" in refused.stderr


def test_notes_are_counted_and_shown_when_asked_for(nki_sim: Callable[..., Result]) -> None:
    brief = nki_sim("check several.py::half_written --target trn2").stdout
    full = nki_sim("check several.py::half_written --notes").stdout
    assert "note[" not in brief
    assert full.count("note[") == brief.count("--notes shows it")
    assert "error[uninitialised]" in brief and "error[uninitialised]" in full


def test_a_file_for_import_nki_and_its_program(
    nki_sim: Callable[..., Result], golden: Callable[[Path, str], None]
) -> None:
    done = nki_sim("check foreign.py --emit program --arg x=128x64:bfloat16")
    assert done.exit_code == 0, done.output
    golden(GOLDEN / "check-program.txt", done.stdout)


def test_a_refused_kernel_has_no_program(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("check foreign.py --emit program --arg x=256x64:float32")
    assert done.exit_code == 1
    assert "256 partitions" in done.stdout and "program add_one" not in done.stdout


def test_json(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("check foreign.py --format json --arg x=256x64:float32")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [one["code"] for one in found] == ["partition"] * len(found) and found
    assert found[0]["spans"][0]["file"] == "foreign.py" and found[0]["spans"][0]["line"] == 11
    legal = nki_sim("check foreign.py --format json --arg x=128x64:float32")
    assert (legal.exit_code, json.loads(legal.stdout)) == (0, [])


def test_github(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("check foreign.py --format github --arg x=256x64:float32")
    assert done.exit_code == 1
    assert done.stdout.startswith("::error file=foreign.py,line=11,endLine=11,col=12,")
    assert nki_sim("check foreign.py --format github --arg x=128x64:float32").stdout == ""


@pytest.mark.parametrize("format_", ["json", "github"])
def test_a_program_goes_with_no_other_format(nki_sim: Callable[..., Result], format_: str) -> None:
    done = nki_sim(f"check several.py::doubled --emit program --format {format_}")
    assert done.exit_code == 2 and f"does not go with --format {format_}" in done.stderr


def test_a_syntax_error_in_other_formats(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "unclosed.py"
    file.write_text("def f(x):\n    y = (x +\n")
    done = nki_sim("check --format json", str(file))
    (found,) = json.loads(done.stdout)
    assert (done.exit_code, found["code"], found["spans"][0]["line"]) == (1, "language-syntax", 2)
    assert nki_sim("check --format github", str(file)).stdout.startswith(f"::error file={file},line=2")


def test_what_the_kernels_own_python_raises_is_a_finding(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("check raising.py::looks_up")
    assert done.exit_code == 1
    assert "error[kernel-exception]: KeyError while the kernel was built: 'large'" in done.stdout
    assert "raising.py:13" in done.stdout and "(inlined from looks_up, raising.py:18)" in done.stdout


def test_as_a_program_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nki_sim.cli", "check", "several.py::doubled"],
        cwd=FILES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "doubled: legal for trn2\n"), done.stderr
