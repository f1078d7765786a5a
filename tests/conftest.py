"""Options and fixtures that all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.slow import is_slow

# In CI the same examples every time, so that landing is no lottery; elsewhere new ones at every run.
settings.register_profile("quick", deadline=None, max_examples=50, derandomize=bool(os.environ.get("CI")))
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_CACHE_OF_THE_RUN = "NKI_SIM_TEST_CACHE"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write what the tests see into the golden files, and pass"
    )


def pytest_configure() -> None:
    """Give the run a cache directory of its own, shared by its worker processes and removed at its end.

    Machine code and parser tables are neither taken from the user's cache nor left in it: tests cold every time.
    """
    if _CACHE_OF_THE_RUN in os.environ:  # a worker process, or pytest within pytest
        return
    folder = tempfile.mkdtemp(prefix="nki_sim-tests-")
    os.environ[_CACHE_OF_THE_RUN] = os.environ["XDG_CACHE_HOME"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_slow(item.nodeid):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """``golden(path, text)`` asserts that the file holds `text`; with --update-golden it writes the file instead."""
    update = bool(request.config.getoption("--update-golden"))

    def compare(path: Path, text: str) -> None:
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        assert path.exists(), f"{path} is missing; run pytest with --update-golden"
        assert text == path.read_text(encoding="utf-8")

    return compare
