"""install, uninstall, load_file, and `python -m nki_sim.compat`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from nki_sim import compat
from nki_sim.kernel import Kernel

SCRIPT = """
import sys
import numpy as np
import nki
import nki.language as nl

@nki.jit
def doubled(x):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.multiply(nl.load(x), 2.0))
    return out

if __name__ == "__main__":
    print(sys.argv[1:], doubled(np.ones((2, 3), np.float32)).sum())
"""

TESTS = """
import numpy as np
from neuronxcc import nki
import neuronxcc.nki.language as nl
import script

def test_a_kernel():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(nki.simulate_kernel(script.doubled, x), 2 * x)

def test_fails():
    assert script.doubled(np.ones((2, 3), np.float32)).sum() == 0
"""


@pytest.fixture(autouse=True)
def clean(tmp_path: Path) -> Iterator[None]:
    """Modules that a test loaded from its own folder are gone after it."""
    yield
    compat.uninstall()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def test_nothing_is_there_until_it_is_asked_for() -> None:
    assert not set(compat.build()) & set(sys.modules)
    compat.install()
    assert set(compat.build()) <= set(sys.modules)
    compat.install()
    compat.uninstall()
    assert not set(compat.build()) & set(sys.modules)
    compat.uninstall()


def test_a_real_nki_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("nki")
    monkeypatch.setitem(sys.modules, "nki", real)
    with pytest.raises(RuntimeError, match="nki is already imported"):
        compat.install()
    compat.uninstall()
    assert sys.modules["nki"] is real
    compat.install(force=True)
    assert sys.modules["nki"] is compat.build()["nki"]


def test_a_file_is_loaded_under_its_name_and_finds_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "uses_it.py").write_text("from script import doubled\n")
    path = list(sys.path)
    module = compat.load_file(tmp_path / "uses_it.py")
    assert module.__name__ == "uses_it" and isinstance(module.doubled, Kernel)
    assert sys.modules["script"].doubled is module.doubled
    assert sys.path == path
    again = compat.load_file(tmp_path / "uses_it.py")
    assert again is not module and sys.modules["uses_it"] is again


@pytest.mark.parametrize("name", ["random", "numpy", "rich", "two words", "7"])
def test_a_file_does_not_take_the_name_of_another_module(tmp_path: Path, name: str) -> None:
    before = sys.modules.get(name)
    (tmp_path / f"{name}.py").write_text("here = __name__\n")
    module = compat.load_file(tmp_path / f"{name}.py")
    assert module.here == module.__name__ != name
    assert sys.modules.get(name) is before


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    loaded = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same_name.py").write_text(f"where = {folder!r}\n")
        loaded.append(compat.load_file(tmp_path / folder / "same_name.py"))
    assert [module.where for module in loaded] == ["a", "b"]
    assert sys.modules["same_name"] is loaded[0]


def test_a_file_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "falls_over.py").write_text("raise KeyError('x')\n")
    before = list(sys.path)
    with pytest.raises(KeyError):
        compat.load_file(tmp_path / "falls_over.py")
    assert "falls_over" not in sys.modules and sys.path == before


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(SCRIPT)
    (folder / "test_script.py").write_text(TESTS)
    return subprocess.run(
        [sys.executable, "-m", "nki_sim.compat", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_running_a_script(tmp_path: Path) -> None:
    done = run(tmp_path, "script.py", "--flag", "3")
    assert (done.returncode, done.stdout) == (0, "['--flag', '3'] 12.0\n"), done.stderr


def test_running_a_module(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "script", "x")
    assert (done.returncode, done.stdout) == (0, "['x'] 12.0\n"), done.stderr


def test_running_pytest(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_script.py")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",), ("-m",)])
def test_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, *arguments)
    assert "usage: python -m nki_sim.compat FILE" in done.stdout + done.stderr
    assert done.returncode == (0 if "h" in "".join(arguments) else 2)


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, "nowhere.py")
    assert done.returncode == 2 and "nowhere.py: no such file" in done.stderr
    assert "Traceback" not in done.stderr
