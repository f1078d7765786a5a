"""What the verbs share: files that cannot be read, kernels that are not there, inputs that are missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from nki_sim import NkiSimError, kernel
from nki_sim.cli import common

VERBS = ["check", "run", "profile"]


def written(folder: Path, text: str, name: str = "broken.py") -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("missing.py", "missing.py: no such file"),
        ("..", "..: this is a directory"),
        ("several.py::nowhere", "several.py has no kernel 'nowhere'; it has doubled, half_written, off_by_one"),
        ("imports_another.py", "no kernel: no function decorated with @kernel or @nki.jit"),
        ("foreign.py", "foreign.py declares no example for add_one(x); give each argument, such as"),
        ("several.py::split", "give each argument, such as --arg x=128x512:float32, or write EXAMPLES"),
        ("several.py --arg x=4x4:float32", "--arg needs one kernel; name it: several.py::doubled"),
        ("foreign.py --arg y=4x4:float32", "add_one(x): missing a required argument: 'x'"),
        ("foreign.py --arg x=1 --arg x=2", "--arg x is given more than once"),
        ("foreign.py --arg x=4x4:float64", "'float64' is not an NKI data type; NKI has int8, "),
        ("foreign.py --arg x=9999999x99999999:int8", "no memory for so large an array"),
        ("foreign.py --arg x=4x4:int8 --seed -1", "-1 is not in the range x>=0"),
        ("", "Missing argument 'FILE[::KERNEL]'"),
    ],
)
def test_a_wrong_command_line_exits_with_2(nki_sim: Callable[..., Result], verb: str, command: str, says: str) -> None:
    done = nki_sim(f"{verb} {command}", width=200)
    assert done.exit_code == 2, done.output
    assert says in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import numpy\nimport a_package_nobody_has\n", "line 2: ModuleNotFoundError: No module named 'a_package_"),
        ("x = 1\nraise ValueError\n", "could not be imported, line 2: ValueError\n"),
        ("import sys\nsys.exit('not here')\n", "could not be imported, line 2: SystemExit: not here"),
        ("EXAMPLES = []\nfrom nki_sim import kernel\n@kernel\ndef f(x): return x\n", "must be a dictionary"),
        ("EXAMPLES = {'f': 3}\nfrom nki_sim import kernel\n@kernel\ndef f(x): return x\n", "must be a dictionary"),
        ("x = 'a\0b'\n", "null bytes"),
    ],
)
def test_a_file_that_cannot_be_used(nki_sim: Callable[..., Result], tmp_path: Path, text: str, says: str) -> None:
    done = nki_sim("check", written(tmp_path, text), width=200)
    assert done.exit_code in (1, 2), done.output
    assert says in done.stderr


def test_a_file_in_another_encoding(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes("x = 'ü'\n".encode("latin-1"))
    done = nki_sim("check", str(file), width=200)
    assert done.exit_code == 2 and "is not UTF-8 text" in done.stderr


def test_a_syntax_error_shows_the_place(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    done = nki_sim("run", written(tmp_path, "def f(x):\n    return x x\n"))
    assert done.exit_code == 1
    assert done.stderr.startswith("error[language-syntax]: ")
    assert "2 |     return x x\n  |              ^\n" in done.stderr


def test_python_s_own_words_where_only_python_objects(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    done = nki_sim("run", written(tmp_path, "def f(x):\n    return x\n\nreturn 3\n"))
    assert done.exit_code == 1
    assert "error[language-syntax]: Python: 'return' outside function" in done.stderr
    assert "4 | return 3\n  | ^" in done.stderr


def test_a_syntax_error_in_a_file_beside_it(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    helper = written(tmp_path, "x = = 3\n", "helper_with_a_slip.py")
    done = nki_sim("check", written(tmp_path, "import helper_with_a_slip\n"))
    assert done.exit_code == 1 and f"{helper}:1" in done.stderr


def test_a_kernel_that_needs_nothing_needs_no_example(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "import nki_sim.language as nl\nfrom nki_sim import kernel\n\n@kernel\ndef ones(rows=2):\n"
        "    out = nl.ndarray((rows, 3), dtype=nl.float32, buffer=nl.shared_hbm)\n"
        "    nl.store(out, nl.ones((rows, 3), dtype=nl.float32))\n    return out\n",
    )
    done = nki_sim("run", file)
    assert done.exit_code == 0, done.output
    assert "ones(2) on trn2" in done.stdout and "float32[2, 3]  min 1  max 1" in done.stdout


def test_an_imported_kernel_is_found_by_its_name(nki_sim: Callable[..., Result]) -> None:
    done = nki_sim("check imports_another.py::imported --arg x=4x4:float32")
    assert (done.exit_code, done.stdout) == (0, "imported: legal for trn2\n")


def test_keyword_only_parameters_are_named(nki_sim: Callable[..., Result], tmp_path: Path) -> None:
    file = written(tmp_path, "from nki_sim import kernel\n@kernel\ndef f(x, *, mode=1): return x\n")
    done = nki_sim("check --arg x=4x4:int8 --arg mode=2", file)
    assert done.exit_code == 2 and "f: mode is keyword-only" in done.stderr


def test_a_mistake_of_ours_keeps_its_traceback(nki_sim: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of nki_sim")

    monkeypatch.setattr(common, "jobs", broken)
    with pytest.raises(RuntimeError, match="a bug of nki_sim"):
        nki_sim("run several.py")


def test_own_error_points_into_the_file() -> None:
    @kernel
    def fails(x):  # type: ignore[no-untyped-def]
        return [][x]

    with pytest.raises(IndexError) as caught:
        fails(3)
    found = common.own_error(caught.value, f"{__file__}::fails")
    assert isinstance(found, NkiSimError) and found.diagnostics[0].span is not None
    assert found.diagnostics[0].span.text.strip() == "return [][x]"
    assert common.own_error(caught.value, "elsewhere.py") is None


def test_loading_leaves_the_search_path_as_it_was(tmp_path: Path) -> None:
    before = list(sys.path)
    with pytest.raises(click.UsageError):
        common.load(Path(written(tmp_path, "raise ValueError\n")))
    assert sys.path == before


def test_the_version(nki_sim: Callable[..., Result]) -> None:
    from nki_sim import __version__

    assert nki_sim("--version").stdout == f"nki-sim, version {__version__}\n"
