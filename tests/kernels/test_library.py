"""What holds for every kernel of the library: documented, checked clean on every target, right on its own example."""

import ast
import inspect
from pathlib import Path

import pytest

from nki_sim.testing import NamedExample, assert_matches, load_examples

FILES = sorted(p for p in Path(__file__).parents[2].joinpath("kernels").glob("*.py") if p.name != "__init__.py")
EXAMPLES = {f"{path.stem}::{name}": found for path in FILES for name, found in load_examples(path).items()}
named = pytest.mark.parametrize("found", EXAMPLES.values(), ids=EXAMPLES.keys())

WANTED = {
    "tensor_add", "transpose2d", "swap_free_axes", "matmul_basic", "matmul_tiled", "matmul_hoisted",
    "matmul_blocked_free", "matmul_blocked", "softmax", "rms_norm", "layer_norm", "flash_attention", "average_pool2d",
    "selective_scan", "swiglu",
}  # fmt: skip


def test_every_kernel_is_there() -> None:
    assert {found.name for found in EXAMPLES.values()} == WANTED


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_file_says_what_it_teaches_and_stands_alone(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert "Teaches:" in (ast.get_docstring(tree) or "")
    imported = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert "kernels" not in imported


@named
def test_the_kernel_says_what_it_computes(found: NamedExample) -> None:
    assert "->" in (inspect.getdoc(found.kernel) or "") or len(inspect.getdoc(found.kernel) or "") > 40


@named
@pytest.mark.parametrize("target", ["trn1", "trn2", "trn3"])
def test_its_example_has_no_errors_on_any_target(found: NamedExample, target: str) -> None:
    findings = found.kernel.with_options(target=target).check(*found.example.draw())  # type: ignore[attr-defined]
    assert [f.message for f in findings if f.severity != "note"] == []


@named
def test_its_example_is_right(found: NamedExample) -> None:
    reference = found.example.reference
    assert reference is not None
    assert_matches(found.kernel, reference, *found.example.draw(1), tolerance=found.example.tolerance)
