"""The wheel: what is in it, and a kernel checked, run and profiled from it outside of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "build", "dist")

KERNEL = """
import numpy as np

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.testing import Example


@kernel
def doubled(x):
    result = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
    nisa.dma_copy(dst=result, src=tile)
    return result


EXAMPLES = {
    "doubled": Example(
        inputs=lambda rng: (rng.standard_normal((128, 64), dtype=np.float32),), reference=lambda x: 2 * x
    )
}
"""


@dataclass(frozen=True)
class Installed:
    """A wheel, and an environment with nothing of the project but that wheel."""

    wheel: Path
    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        program, *rest = command
        return subprocess.run(
            [self.folder / "venv" / "bin" / program, *rest],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "100"}
    environment.pop("NKI_SIM_CACHE_DIR", None)

    def python(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(folder / "source"))
    shutil.rmtree(folder / "source")
    (wheel,) = (folder / "dist").glob("*.whl")
    python("-m", "venv", "--without-pip", str(folder / "venv"))
    library = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    # The dependencies come from the environment of this test run. A directory named in a .pth file has its own .pth
    # files ignored, so the editable installation of the checkout does not come along.
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (library / "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n")
    inside = str(folder / "venv" / "bin" / "python")
    python("-m", "pip", "--python", inside, "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    (folder / "doubled.py").write_text(KERNEL)
    return Installed(wheel, folder, environment)


def files_of_the_package() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / "nki_sim").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_nothing_else(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        names = set(archive.namelist())
    grammars = {f"nki_sim/_grammar/{path.name}" for path in (ROOT / "grammar").glob("*.lark")}
    wanted = files_of_the_package() | grammars
    assert {Path(name).suffix for name in wanted} >= {".py", ".isa", ".toml", ".lark"} and len(grammars) == 2
    assert "nki_sim/py.typed" in wanted
    assert not wanted - names
    assert {name.partition("/")[0] for name in names} == {"nki_sim", f"nki_sim-{version(installed)}.dist-info"}


def version(installed: Installed) -> str:
    return installed.wheel.name.split("-")[1]


def test_it_is_the_wheel_that_is_imported(installed: Installed) -> None:
    done = installed.run("python", "-c", "import nki_sim; print(nki_sim.__file__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed.folder / "venv"))
    assert installed.run("nki-sim", "--version").stdout == f"nki-sim, version {version(installed)}\n"


def test_a_kernel_is_checked_run_and_profiled(installed: Installed) -> None:
    checked = installed.run("nki-sim", "check", "doubled.py::doubled")
    assert (checked.returncode, checked.stdout) == (0, "doubled: legal for trn2\n"), checked.stderr
    ran = installed.run("nki-sim", "run", "doubled.py")
    assert ran.returncode == 0 and "matches the NumPy reference" in ran.stdout, ran.stderr
    profiled = installed.run("nki-sim", "profile", "doubled.py")
    assert profiled.returncode == 0 and "doubled" in profiled.stdout, profiled.stderr


def test_refusals_find_their_way_too(installed: Installed) -> None:
    refused = installed.run("nki-sim", "check", "doubled.py", "--arg", "x=256x64:float32")
    assert refused.returncode == 1
    assert "256 partitions" in refused.stdout


def test_an_instruction_is_explained(installed: Installed) -> None:
    explained = installed.run("nki-sim", "explain", "nc_matmul")
    assert explained.returncode == 0 and "gemm_stationary_fmax" in explained.stdout, explained.stderr
