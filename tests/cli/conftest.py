"""`nki-sim` in this process, in the folder of the test files, without colour and at a fixed width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nki_sim import compat
from nki_sim.cli import main

FILES = Path(__file__).parent / "files"
GOLDEN = Path(__file__).parent / "golden"

Invoke = Callable[..., Result]


@pytest.fixture
def nki_sim(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """``nki_sim("check several.py", width=80)``: the outcome; anything but an orderly exit fails the test."""
    monkeypatch.chdir(FILES)

    def invoke(command: str, *more: str, width: int = 100) -> Result:
        runner = CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"})
        result = runner.invoke(main, [*command.split(), *more])
        compat.uninstall()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke
