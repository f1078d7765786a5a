"""nki-sim profile: the report, its files, and the gate."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from nki_sim.profiler.reporters import perfetto

GOLDEN = Path(__file__).parent / "golden"
Golden = Callable[[Path, str], None]
Invoke = Callable[..., Result]


def trimmed(text: str) -> str:
    """Without the blanks that fill a table's last column."""
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("more", ["", "--full"])
def test_report(nki_sim: Invoke, golden: Golden, width: int, more: str) -> None:
    done = nki_sim(f"profile profiled.py::reloading {more}", width=width)
    assert done.exit_code == 0 and done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= width
    golden(GOLDEN / f"profile{more.replace('--', '-')}-{width}.txt", trimmed(done.stdout))


def test_json_of_one_and_of_several(nki_sim: Invoke) -> None:
    one = json.loads(nki_sim("profile profiled.py::keeping --format json").stdout)
    both = json.loads(nki_sim("profile profiled.py --format json").stdout)
    assert [document["kernel"] for document in both] == ["reloading", "keeping"]
    assert both[1] == one
    assert one["schema"]["name"] == "nki_sim.profile"


def test_simulated_time_is_deterministic(nki_sim: Invoke) -> None:
    command = "profile profiled.py::reloading --format json"
    assert nki_sim(command).stdout == nki_sim(command, "--seed", "5").stdout


def test_files(nki_sim: Invoke, tmp_path: Path) -> None:
    done = nki_sim(
        "profile profiled.py::keeping",
        "--trace", f"{tmp_path}/trace.json", "--html", f"{tmp_path}/page.html",
        "--csv", f"{tmp_path}/tables", "--save", f"{tmp_path}/saved.json",
    )  # fmt: skip
    assert done.exit_code == 0
    assert [line.split()[1].rstrip(";:") for line in done.stderr.splitlines()] == [
        f"{tmp_path}/{name}" for name in ("trace.json", "page.html", "tables", "saved.json")
    ]
    assert json.loads((tmp_path / "trace.json").read_text("utf-8"))["traceEvents"]
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "tables" / "timeline.csv").exists()
    assert json.loads((tmp_path / "saved.json").read_text("utf-8"))["kernel"] == "keeping"


def test_a_cut_trace_is_a_warning_on_stderr(nki_sim: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = perfetto.write_trace
    monkeypatch.setattr(perfetto, "write_trace", lambda profile, path: whole(profile, path, max_events=5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = nki_sim("profile profiled.py::keeping --trace", f"{tmp_path}/trace.json")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: the trace leaves out the last ")


@pytest.mark.parametrize("option", ["--trace", "--html", "--csv"])
def test_a_file_of_one_kernel_needs_its_name(nki_sim: Invoke, tmp_path: Path, option: str) -> None:
    done = nki_sim(f"profile profiled.py {option}", f"{tmp_path}/out")
    assert done.exit_code == 2
    assert f"{option} needs one kernel; name it: profiled.py::reloading" in done.stderr


# -- the gate ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(nki_sim: Invoke, tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    assert nki_sim("profile profiled.py --format json --save", str(path)).exit_code == 0
    return path


def change(path: Path, kernel: str, how: Callable[[dict[str, Any]], None]) -> None:
    documents = json.loads(path.read_text("utf-8"))
    how(next(one for one in documents if one["kernel"] == kernel))
    path.write_text(json.dumps(documents), "utf-8")


def test_an_unchanged_kernel_passes_with_no_margin(nki_sim: Invoke, saved: Path) -> None:
    done = nki_sim(f"profile profiled.py --baseline {saved} --fail-if-slower 0%")
    assert done.exit_code == 0 and done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("keeping: ") and done.stdout.rstrip().endswith(", as before")


def test_a_slower_kernel_fails_with_the_lines_that_grew(nki_sim: Invoke, saved: Path, golden: Golden) -> None:
    def faster(document: dict[str, Any]) -> None:
        document["total_ns"] *= 0.9
        for line in document["lines"]:
            if "dma_copy" in line["at"]["text"]:
                line["busy_ns"] = {lane: 0.5 * ns for lane, ns in line["busy_ns"].items()}

    change(saved, "keeping", faster)
    done = nki_sim(f"profile profiled.py::keeping --baseline {saved} --fail-if-slower 1%")
    assert done.exit_code == 1
    golden(GOLDEN / "profile-slower.txt", done.stderr)
    assert nki_sim(f"profile profiled.py --baseline {saved} --fail-if-slower 12%").exit_code == 0
    assert nki_sim(f"profile profiled.py --baseline {saved}").exit_code == 0


@pytest.mark.parametrize(
    "command, message",
    [
        ("profiled.py --fail-if-slower 1%", "--fail-if-slower needs --baseline FILE"),
        ("profiled.py --baseline {saved} --fail-if-slower lots", "not a share such as 1% or 0.01"),
        ("profiled.py --baseline {saved} --target trn1", "the baseline is for trn2, this run for trn1"),
        ("several.py::doubled --baseline {saved}", "it has no kernel 'doubled'; it has reloading, keeping"),
        ("profiled.py --baseline profiled.py", "not JSON"),
        ("profiled.py --baseline missing.json", "does not exist"),
    ],
)
def test_gates_that_cannot_judge_are_usage_errors(nki_sim: Invoke, saved: Path, command: str, message: str) -> None:
    done = nki_sim("profile " + command.format(saved=saved))
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_the_baseline_may_be_renewed_in_one_go(nki_sim: Invoke, saved: Path) -> None:
    change(saved, "keeping", lambda document: document.update(total_ns=1.0))
    command = f"profile profiled.py --baseline {saved} --fail-if-slower 1% --save {saved}"
    assert nki_sim(command).exit_code == 1
    assert nki_sim(command).exit_code == 0


@pytest.mark.parametrize("option", ["--trace", "--html", "--csv", "--save"])
def test_a_file_that_cannot_be_written_is_named(nki_sim: Invoke, tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "below"
    done = nki_sim("profile profiled.py::keeping", option, str(path))
    assert done.exit_code == 2, done.output
    assert "cannot write" in done.stderr and "Traceback" not in done.stderr
