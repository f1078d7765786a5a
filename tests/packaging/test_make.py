"""The Makefile describes itself, and .ci/setup says what it needs."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

from tests.slow import SLOW

ROOT = Path(__file__).parents[2]


def test_help_has_a_line_for_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert declared is not None
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    described = {line.split()[1]: line.split(None, 2)[2] for line in done.stdout.splitlines()}
    assert set(described) == set(declared[1].split())
    assert {"demo", "test", "check", "bench"} <= set(described)


def test_setup_refuses_a_python_that_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python"
    # Answers the version test with no, and would make an environment if it were asked to.
    old.write_text('#!/bin/sh\n[ "$1" = "-" ] && cat >/dev/null && exit 1\ntouch "$0.asked"\n')
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    done = subprocess.run(
        ["bash", ".ci/setup", str(tmp_path / "venv")],
        cwd=ROOT,
        env={**os.environ, "PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "nki_sim needs Python 3.10 or newer; set PYTHON=/path/to/python3\n"
    assert not (tmp_path / "python.asked").exists() and not (tmp_path / "venv").exists()


def test_the_list_of_slow_tests_names_tests_that_exist() -> None:
    for name in SLOW:
        file, _, function = name.partition("::")
        assert (ROOT / file).exists(), name
        beginning = function.partition("[")[0]
        assert not function or f"def {beginning}" in (ROOT / file).read_text(), name
