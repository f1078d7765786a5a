"""JSON and CSV: every field described, units in the names, tables and metadata agree, the page up to date."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.csv import METADATA, write_csv
from nki_sim.profiler.reporters.json import file_name, to_json
from nki_sim.profiler.reporters.schema import FIELDS, NAME, TENSORS, TIMELINE, VERSION, page, unit_of
from nki_sim.timing.lanes import KINDS, LANES

ROOT = Path(__file__).parent.parent.parent
# Dictionaries whose keys are names of things, not of fields.
NAMED = re.compile(
    r"(engines|memory|schema\.fields|lines\[\]\.busy_ns|engine_times\[\]\.waits_ns|findings\[\]\.evidence)$"
)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path as the schema writes it, value) of every leaf."""
    if isinstance(value, dict):
        for key, inner in value.items():
            step = "*" if NAMED.fullmatch(path) else key
            yield from leaves(inner, f"{path}.{step}" if path else step)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path, value


def document(profile: Profile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(profile.to_json(), allow_nan=False))
    return found


def test_the_schema_covers_every_field(profile: Profile) -> None:
    for path, value in leaves(document(profile)):
        if value is None and path not in FIELDS:
            # An absent place stands where its fields would.
            assert f"{path}.file" in FIELDS, path
            continue
        assert path in FIELDS, path
        assert isinstance(value, str) == (FIELDS[path].unit == ""), path


def test_every_field_of_the_schema_occurs(matmul: Profile, looped: Profile) -> None:
    seen = {path for one in (matmul, looped) for path, _ in leaves(document(one))}
    # What only some programs have.
    optional = {path for path in FIELDS if path.startswith(("advice[]", "no_advice[]", "findings[]"))}
    assert set(FIELDS) - seen <= optional
    assert any(path.startswith("findings[]") for path in seen)


def test_units_stand_in_the_names(matmul: Profile) -> None:
    for path, field in [*FIELDS.items(), *TIMELINE.items(), *TENSORS.items()]:
        name = next(part for part in reversed(path.split(".")) if part != "*").removesuffix("[]")
        if field.unit in ("ns", "FLOP", "FLOP/byte", "TFLOP/s", "bytes per partition", "bytes/ns"):
            assert unit_of(name) == field.unit, path
        assert field.meaning


def test_the_document_carries_its_schema(matmul: Profile) -> None:
    found = document(matmul)
    assert (found["schema"]["name"], found["schema"]["version"]) == (NAME, VERSION)
    assert set(found["schema"]["fields"]) == set(FIELDS)
    assert found["schema"]["fields"]["total_ns"]["unit"] == "ns"


def test_parts_of_the_document_agree(profile: Profile) -> None:
    found = document(profile)
    assert sum(one["executions"] for one in found["instructions"]) == int(profile.run.counts.sum())
    assert sum(one["moved_bytes"] for one in found["instructions"]) == found["metrics"]["dma_bytes"]
    assert sum(one["moved_bytes"] for one in found["lines"]) == found["metrics"]["dma_bytes"]
    for name in ("vector", "scalar"):
        busy = sum(one["busy_ns"] for one in found["instructions"] if one["lane"] == name)
        assert busy == pytest.approx(found["engines"][name]["busy_ns"], abs=1300)  # but for a table load
    assert sum(one["total_ns"] for one in found["critical_path"]) == pytest.approx(found["total_ns"])


def test_a_profile_without_advice_differs_in_nothing_else(looped: Profile) -> None:
    full, bare = looped.to_json(), to_json(looped, advice=False)
    assert bare == {key: value for key, value in full.items() if key not in ("advice", "no_advice")}


def test_files_below_the_working_directory_are_relative(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert file_name(str(tmp_path / "kernels" / "a.py")) == "kernels/a.py"
    assert file_name("/elsewhere/a.py") == "/elsewhere/a.py"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_have_the_columns_that_the_metadata_describes(profile: Profile, tmp_path: Path) -> None:
    written = write_csv(profile, tmp_path / "tables")
    described = json.loads((tmp_path / "tables" / METADATA).read_text("utf-8"))
    assert {one["url"] for one in described["tables"]} | {METADATA} == {path.name for path in written}
    for table in described["tables"]:
        columns = table["tableSchema"]["columns"]
        with (tmp_path / "tables" / table["url"]).open(encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file))
        assert head == [column["name"] for column in columns]
        assert len(set(head)) == len(head)
        for row in rows:
            assert len(row) == len(head)
            for cell, column in zip(row, columns, strict=True):
                if column["datatype"] == "number" and cell:
                    float(cell)
        assert all(column["dc:description"] for column in columns)


def test_the_timeline_table_is_the_timeline(looped: Profile, tmp_path: Path) -> None:
    write_csv(looped, tmp_path)
    rows = read(tmp_path / "timeline.csv")
    assert list(rows[0]) == list(TIMELINE)
    assert [float(row["start_ns"]) for row in rows] == looped.timeline["start_ns"].tolist()
    assert [row["lane"] for row in rows] == [LANES[n] for n in looped.timeline["lane"]]
    assert [row["kind"] for row in rows] == [KINDS[n] for n in looped.timeline["kind"]]
    moved = [int(row["moved_bytes"]) for row in rows if row["moved_bytes"]]
    assert sum(moved) == looped.metrics.dma_bytes


def test_the_line_table_holds_the_lines(matmul: Profile, tmp_path: Path) -> None:
    write_csv(matmul, tmp_path)
    rows = read(tmp_path / "lines.csv")
    assert len(rows) == len(matmul.lines)
    total = sum(float(row["busy_tensor_ns"]) for row in rows)
    assert total == pytest.approx(matmul.engines["tensor"].busy_ns)


def test_the_tensor_table_holds_the_memory_map(matmul: Profile, tmp_path: Path) -> None:
    write_csv(matmul, tmp_path)
    rows = read(tmp_path / "tensors.csv")
    assert list(rows[0]) == list(TENSORS)
    assert len(rows) == sum(len(found.blocks) for found in matmul.memory_map.values())


def test_the_schema_page_is_up_to_date(golden: Callable[[Path, str], None]) -> None:
    golden(ROOT / "docs" / "profile-schema.md", page())
