"""nki-sim explain: an instruction, or what a source line was charged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

FILES = Path(__file__).parent / "files"
GOLDEN = Path(__file__).parent / "golden"
Invoke = Callable[..., Result]


def line_of(text: str, nth: int = 0) -> int:
    """The number of the nth line of profiled.py that contains `text`."""
    lines = (FILES / "profiled.py").read_text("utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if text in line][nth]


@pytest.mark.parametrize("width", [80, 120])
def test_lines_of_a_kernel(nki_sim: Invoke, golden: Callable[[Path, str], None], width: int) -> None:
    text = []
    for part in ("dma_copy(dst=tile", "nc_matmul", "tensor_copy"):
        done = nki_sim(f"explain profiled.py::reloading:{line_of(part)}", width=width)
        assert done.exit_code == 0 and done.stderr == ""
        assert max(map(len, done.stdout.splitlines())) <= width
        text.append("".join(line.rstrip() + "\n" for line in done.stdout.splitlines()))
    golden(GOLDEN / f"explain-line-{width}.txt", "\n".join(text))


def test_a_line_that_calls_a_helper_is_charged_for_it(nki_sim: Invoke) -> None:
    done = nki_sim(f"explain profiled.py:{line_of('left = load(')}")
    assert done.stdout.startswith("profiled.py:") and " in reloading on trn2\n" in done.stdout
    assert "dma_copy, dma load: 16 executions" in done.stdout
    assert f"issued at profiled.py:{line_of('dma_copy(dst=tile')}: nisa.dma_copy(dst=tile, src=source)" in done.stdout


def test_a_shared_line_is_explained_for_each_kernel(nki_sim: Invoke) -> None:
    found = nki_sim(f"explain profiled.py:{line_of('dma_copy(dst=tile')}").stdout
    assert " in reloading on trn2\n" in found and " in keeping on trn2\n" in found
    reloading, keeping = found.split(" in keeping on trn2\n")
    assert "dma load: 4 executions" in keeping and "dma load: 4 executions" not in reloading


def test_the_target_decides(nki_sim: Invoke) -> None:
    place = f"profiled.py::keeping:{line_of('tensor_copy', 1)}"
    one, other = (nki_sim(f"explain {place} --target {target}").stdout for target in ("trn1", "trn2"))
    assert " on trn1\n" in one and one != other


def test_given_arguments_are_used(nki_sim: Invoke) -> None:
    place = f"profiled.py::keeping:{line_of('tensor_copy', 1)}"
    done = nki_sim(f"explain {place} --arg lhs_t=128x128:float32 --arg rhs=128x256:float32")
    assert "tensor_copy, vector: 1 execution," in done.stdout and "F = 256" in done.stdout


def test_a_line_of_another_file_is_explained_for_the_kernel_that_reaches_it(nki_sim: Invoke) -> None:
    done = nki_sim("explain helpers.py:9 --kernel uses_helpers.py::twice")
    assert done.exit_code == 0 and done.stderr == ""
    assert done.stdout.startswith("helpers.py:9  in twice on trn2\n  nisa.dma_copy(dst=tile, src=source)\n")
    assert "dma_copy, dma load: 1 execution," in done.stdout


@pytest.mark.parametrize(
    "command, message",
    [
        (
            "helpers.py:9",
            "helpers.py has no kernel: no function decorated with @kernel or @nki.jit; name the one that "
            "reaches the line: --kernel FILE[::KERNEL]",
        ),
        (
            "helpers.py:3 --kernel uses_helpers.py::twice",
            "helpers.py:3 issued no instruction; lines nearby that did: 9",
        ),
        (
            "foreign.py:3 --kernel uses_helpers.py::twice",
            "nor did any line of the file: the kernel's instructions come from helpers.py, uses_helpers.py",
        ),
        ("profiled.py::keeping:3 --kernel profiled.py", "two kernels are named: ::keeping and --kernel profiled.py"),
        ("nc_matmul --kernel profiled.py", "--kernel goes with FILE:LINE"),
        ("profiled.py::keeping:1", "issued no instruction; lines nearby that did: "),
        ("missing.py:3", "missing.py: no such file"),
        ("profiled.py::other:3", "has no kernel 'other'"),
        ("nc_matmull", "did you mean nc_matmul"),
        ("nc_matmul --arg x=3", "--arg goes with FILE:LINE"),
    ],
)
def test_what_cannot_be_explained_is_a_usage_error(nki_sim: Invoke, command: str, message: str) -> None:
    done = nki_sim(f"explain {command}", width=400)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


@pytest.mark.parametrize("name", ["nc_matmul", "nisa.nc_matmul", "nki.isa.nc_matmul"])
def test_an_instruction_by_any_of_its_names(nki_sim: Invoke, name: str) -> None:
    done = nki_sim(f"explain {name} --target trn1")
    assert done.exit_code == 0
    assert done.stdout.startswith("nisa.nc_matmul\n") and "engines on trn1" in done.stdout
