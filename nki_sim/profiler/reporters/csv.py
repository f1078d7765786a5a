"""The profile as CSV tables with a csv-metadata.json that describes their columns (W3C, CSV on the Web)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.json import file_name, to_json
from nki_sim.profiler.reporters.schema import FIELDS, NAME, TENSORS, TIMELINE, VERSION, Field
from nki_sim.timing.lanes import KINDS, LANES, STALLS

METADATA = "csv-metadata.json"
_LISTS = ("stalls", "lines", "instructions", "hbm_tensors_read", "critical_path")
_DICTIONARIES = ("engines", "memory")


def write_csv(profile: Profile, directory: str | Path) -> list[Path]:
    """Write the tables and their metadata into `directory`, made when it is not there; the files written."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    found = dict(tables(profile))
    written = []
    for name, (columns, rows) in found.items():
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        written.append(path)
    path = folder / METADATA
    described = metadata(profile, {name: columns for name, (columns, _) in found.items()})
    path.write_text(json.dumps(described, indent=2) + "\n", "utf-8")
    return [*written, path]


Table = tuple[dict[str, Field], Iterable[Sequence[Any]]]


def tables(profile: Profile) -> Iterator[tuple[str, Table]]:
    """(name, (columns, rows)): the timeline, then what the JSON document holds."""
    yield "timeline", (dict(TIMELINE), _timeline(profile))
    yield "tensors", (dict(TENSORS), _tensors(profile))
    document = to_json(profile, advice=False)
    for name in _DICTIONARIES:
        entries = [{"name": key, **value} for key, value in document[name].items()]
        columns = {"name": Field("", f"which of the {name}"), **_columns(f"{name}.*.")}
        yield name, (columns, [[one.get(column) for column in columns] for one in entries])
    metrics = [(key, value, FIELDS[f"metrics.{key}"].unit) for key, value in document["metrics"].items()]
    yield (
        "metrics",
        (
            {"name": Field("", "the metric"), "value": Field("see unit", "its value"), "unit": Field("", "its unit")},
            metrics,
        ),
    )
    for name in _LISTS:
        columns = _columns(f"{name}[].")
        if name == "lines":
            # One column for each lane; a lane's name has a space that a column's must not have.
            del columns["busy_ns.*"]
            lanes = {f"busy_{lane.replace(' ', '_')}_ns": lane for lane in LANES}
            columns |= {column: Field("ns", f"time taken of {lane}") for column, lane in lanes.items()}
            rows = [{**_flat(one), **{c: one["busy_ns"].get(lane, 0.0) for c, lane in lanes.items()}}
                    for one in document[name]]  # fmt: skip
        else:
            rows = [_flat(one) for one in document[name]]
        columns = {column.replace(".", "_"): field for column, field in columns.items()}
        yield name, (columns, [[one.get(column) for column in columns] for one in rows])


def _columns(prefix: str) -> dict[str, Field]:
    return {path.removeprefix(prefix): field for path, field in FIELDS.items() if path.startswith(prefix)}


def _flat(entry: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}_")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _timeline(profile: Profile) -> Iterator[Sequence[Any]]:
    run = profile.run
    moved: dict[int, tuple[int, int]] = {
        row: (size, runs) for row, size, runs in run.transfers[["row", "moved_bytes", "descriptors"]].tolist()
    }
    files: dict[str, str] = {}
    fields = (
        "lane", "kind", "instruction", "start_ns", "issue_end_ns", "end_ns", "load_start_ns", "stall", "stall_ns",
        "cause", "instance",
    )  # fmt: skip
    columns = (run.rows[field].tolist() for field in fields)
    for number, row in enumerate(zip(*columns, strict=True)):
        lane, kind, index, start, issued, end, load, stall, waited, cause, instance = row
        span = next(iter(run.spans(index)), None)
        file = "" if span is None else files.setdefault(span.file, file_name(span.file))
        size, runs = moved.get(number, ("", ""))
        yield (
            LANES[lane], KINDS[kind], run.instructions[index].op if index >= 0 else "", start, issued, end,
            load if load == load else "", STALLS[stall] if stall else "", waited, cause if cause >= 0 else "",
            index, instance, file, "" if span is None else span.line, size, runs,
        )  # fmt: skip


def _tensors(profile: Profile) -> Iterator[Sequence[Any]]:
    for space, found in profile.memory_map.items():
        for one in found.blocks:
            place = ("", "") if one.span is None else (file_name(one.span.file), one.span.line)
            yield (
                space, one.name, str(one.tensor.dtype), "x".join(map(str, one.tensor.shape)), one.first_partition,
                one.partitions, one.start_byte, one.end_byte, one.first_ns, one.last_ns, *place,
            )  # fmt: skip


def metadata(profile: Profile, found: Mapping[str, Mapping[str, Field]]) -> dict[str, Any]:
    """The tables as CSV on the Web describes them; units under "unit"."""
    return {
        "@context": "http://www.w3.org/ns/csvw",
        "dc:title": f"{profile.program.name} on {profile.target.name}",
        "schema": NAME,
        "version": VERSION,
        "tables": [
            {
                "url": f"{name}.csv",
                "tableSchema": {
                    "columns": [
                        {
                            "name": column,
                            "titles": column,
                            "datatype": "string" if not field.unit else "number",
                            "dc:description": field.meaning,
                            "unit": field.unit,
                        }
                        for column, field in columns.items()
                    ]
                },
            }
            for name, columns in found.items()
        ],
    }
