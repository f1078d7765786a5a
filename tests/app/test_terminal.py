"""`nki-sim view` in a real terminal: tmux gives it one, sends keys and reads the screen back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from nki_sim.cli import main

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0

TMUX = shutil.which("tmux")


class Terminal:
    """A tmux server of our own with one window of 80 x 24."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self._socket = str(directory / "tmux")
        environment = [f"{name}={value}" for name, value in (("LC_ALL", "C.UTF-8"), ("TERM", "tmux-256color"))]
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "-s", "view", "-c", str(ROOT), "env", *environment,
                  *command)  # fmt: skip

    def tmux(self, *arguments: str, check: bool = True) -> str:
        assert TMUX is not None
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        environment.pop("TMUX", None)
        made = subprocess.run(
            [TMUX, "-u", "-f", os.devnull, "-S", self._socket, *arguments],
            capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE_S, check=False, env=environment,
        )  # fmt: skip
        assert not check or made.returncode == 0, made.stderr
        return made.stdout

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "view", check=False)

    def send(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "view", *keys)

    def wait_for(self, text: str) -> str:
        """The screen once it holds `text`."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = self.screen()
            if text in found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{text!r} did not appear; the screen is\n{self.screen()}")

    def ended(self) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if "view" not in self.tmux("list-sessions", check=False):
                return True
            time.sleep(0.05)
        return False


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    if TMUX is None:
        pytest.skip("tmux is not installed: apt-get install tmux")
    made = Terminal([sys.executable, "-m", "nki_sim.cli", "view", "kernels/softmax.py::softmax"], tmp_path)
    try:
        yield made
    finally:
        made.tmux("kill-server", check=False)


def test_view_in_a_terminal(terminal: Terminal) -> None:
    terminal.wait_for("[1 instr]")
    first = terminal.wait_for("q quit")
    lines = first.splitlines()
    assert lines[0].startswith("softmax on trn2")
    assert any(line.startswith("vector") for line in lines) and "q quit" in lines[23]
    terminal.send("]")
    terminal.wait_for("waited ")
    terminal.send("+", "+")
    terminal.wait_for("x4")
    terminal.send("4")
    terminal.wait_for("[4 memory]")
    terminal.wait_for("KiB │")
    terminal.send("3")
    terminal.wait_for("[3 source]")
    terminal.wait_for("nisa.")
    terminal.send("c")
    terminal.wait_for("critical path: #")
    terminal.send("6", "J")
    terminal.wait_for("on the critical path, ")
    terminal.send("8")
    terminal.wait_for("ADVICE  each gain")
    terminal.send("5")
    terminal.wait_for("[5 summary]")
    terminal.send("/")
    terminal.send("-l", "exp")
    terminal.send("Enter")
    terminal.wait_for("exp: ")
    terminal.send("?")
    terminal.wait_for("any other key closes this")
    terminal.send("x")
    terminal.wait_for("exp: ")
    terminal.send("Up")
    terminal.wait_for("q quit")
    terminal.wait_for("[5 summary]")
    terminal.send("q")
    assert terminal.ended()


def test_view_needs_a_terminal() -> None:
    found = CliRunner().invoke(main, ["view", str(ROOT / "kernels" / "softmax.py") + "::softmax"])
    assert found.exit_code == 2 and "view needs a terminal" in found.output and "profile" in found.output


def test_view_wants_one_kernel() -> None:
    found = CliRunner().invoke(main, ["view", str(ROOT / "kernels" / "matmul.py")])
    assert found.exit_code == 2 and "name one" in found.output and "matmul_basic" in found.output
