"""nki-sim compare: kernels and saved profiles side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

GOLDEN = Path(__file__).parent / "golden"
Invoke = Callable[..., Result]
BOTH = "compare profiled.py::reloading profiled.py::keeping"


@pytest.mark.parametrize("width", [80, 120])
def test_two_kernels(nki_sim: Invoke, golden: Callable[[Path, str], None], width: int) -> None:
    done = nki_sim(BOTH, width=width)
    assert done.exit_code == 0 and done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= width
    golden(GOLDEN / f"compare-{width}.txt", "".join(line.rstrip() + "\n" for line in done.stdout.splitlines()))


def test_a_reload_less_is_why(nki_sim: Invoke) -> None:
    found = json.loads(nki_sim(f"{BOTH} --format json").stdout)
    assert found["schema"] == {"name": "nki_sim.comparison", "version": 1}
    assert [(one["name"], one["before"], one["after"]) for one in found["reloads"]] == [("rhs", 4.0, 1.0)]
    traffic = {one["name"]: one for one in found["traffic"]}
    assert traffic["read from HBM"]["before"] - traffic["read from HBM"]["after"] == 3 * 512 * 512 * 4
    assert found["speedup_ratio"] == pytest.approx(found["total"]["before"] / found["total"]["after"])


def test_nothing_differs_from_itself(nki_sim: Invoke) -> None:
    assert nki_sim("compare profiled.py::keeping profiled.py::keeping").stdout.splitlines()[1:] == ["nothing differs"]


def test_saved_profiles_compare_like_fresh_ones(nki_sim: Invoke, tmp_path: Path) -> None:
    for name in ("reloading", "keeping"):
        nki_sim(f"profile profiled.py::{name} --save {tmp_path}/{name}.json")
    saved = nki_sim(f"compare {tmp_path}/reloading.json {tmp_path}/keeping.json").stdout
    assert saved == nki_sim(BOTH).stdout == nki_sim(f"compare {tmp_path}/reloading.json profiled.py::keeping").stdout


def test_a_kernel_of_a_saved_file_is_named_like_one_of_a_source_file(nki_sim: Invoke, tmp_path: Path) -> None:
    nki_sim(f"profile profiled.py --save {tmp_path}/all.json")
    found = nki_sim(f"compare {tmp_path}/all.json::reloading {tmp_path}/all.json::keeping").stdout
    assert found == nki_sim(BOTH).stdout
    # The kernel of the same name is the other side.
    assert "nothing differs" in nki_sim(f"compare {tmp_path}/all.json profiled.py::keeping").stdout


def test_one_kernel_on_two_targets(nki_sim: Invoke) -> None:
    done = nki_sim("compare profiled.py::keeping profiled.py::keeping --target trn1 --target-b trn2")
    assert done.stdout.startswith("trn1: ") and "   trn2: " in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    "command, message",
    [
        ("profiled.py profiled.py", "has several kernels (reloading, keeping); name one"),
        ("missing.json profiled.py", "missing.json: no such file"),
        ("profiled.py::keeping missing.py", "missing.py: no such file"),
        ("{other} profiled.py::keeping", "not a profile saved by nki-sim profile --save"),
    ],
)
def test_what_cannot_be_compared_is_a_usage_error(nki_sim: Invoke, tmp_path: Path, command: str, message: str) -> None:
    (tmp_path / "other.json").write_text("{}", "utf-8")
    done = nki_sim("compare " + command.format(other=tmp_path / "other.json"))
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
