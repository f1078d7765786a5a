"""Chrome traces: what every viewer asks of events, arrows that pair up, counters that add up, and the size cap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters import perfetto
from nki_sim.profiler.reporters.perfetto import TraceTruncated, trace, write_trace
from nki_sim.timing.lanes import ENGINES

Event = dict[str, Any]


@pytest.fixture
def events(profile: Profile, tmp_path: Path) -> list[Event]:
    write_trace(profile, tmp_path / "trace.json")
    found: list[Event] = json.loads((tmp_path / "trace.json").read_text("utf-8"))["traceEvents"]
    return found


def slices(events: list[Event]) -> list[Event]:
    return [one for one in events if one["ph"] == "X"]


def test_every_event_is_well_formed(events: list[Event]) -> None:
    needed = {
        "X": {"pid", "tid", "ts", "dur", "name", "cat", "args"},
        "M": {"pid", "tid", "name", "args"},
        "C": {"pid", "tid", "ts", "name", "args"},
        "s": {"pid", "tid", "ts", "name", "cat", "id"},
        "f": {"pid", "tid", "ts", "name", "cat", "id", "bp"},
    }
    for one in events:
        assert set(one) == needed[one["ph"]] | {"ph"}
        assert one.get("ts", 0.0) >= 0.0 and one.get("dur", 0.0) >= 0.0
    named = {one["tid"] for one in events if one["ph"] == "M" and one["name"] == "thread_name"}
    assert {one["tid"] for one in events if one["ph"] in "Xsf"} <= named


def test_nothing_overlaps_on_a_track(events: list[Event]) -> None:
    ends: dict[int, float] = {}
    for one in sorted(slices(events), key=lambda event: event["ts"]):
        assert one["ts"] >= ends.get(one["tid"], 0.0) - 1e-9
        ends[one["tid"]] = one["ts"] + one["dur"]


def test_times_are_microseconds_and_complete(profile: Profile, events: list[Event]) -> None:
    rows = profile.timeline
    own = [one for one in slices(events) if one["name"] != "weight load"]
    assert len(own) == len(rows)
    assert sorted(one["ts"] for one in own) == pytest.approx(np.sort(rows["start_ns"]) / 1e3)
    length = (rows["issue_end_ns"] - rows["start_ns"]).sum() / 1e3
    assert sum(one["dur"] for one in own) == pytest.approx(length)


def test_engines_are_threads(matmul: Profile) -> None:
    events = trace(matmul)["traceEvents"]
    names = {one["tid"]: one["args"]["name"] for one in events if one["name"] == "thread_name"}
    tensor = {one["name"] for one in slices(events) if names[one["tid"]] == "tensor"}
    assert tensor == {"nc_matmul"}
    assert {"tensor", "tensor weight load", "vector", "sync", "dma load", "dma store"} <= set(names.values())
    assert {one["cat"] for one in slices(events) if names[one["tid"]].startswith("dma")} == {"dma"}


def test_arrows_pair_up_inside_slices(profile: Profile, events: list[Event]) -> None:
    starts = {one["id"]: one for one in events if one["ph"] == "s"}
    ends = {one["id"]: one for one in events if one["ph"] == "f"}
    assert set(starts) == set(ends) and len(starts) == sum(one["ph"] == "s" for one in events)
    tracks: dict[int, list[Event]] = {}
    for one in slices(events):
        tracks.setdefault(one["tid"], []).append(one)
    for number, start in starts.items():
        end = ends[number]
        assert (start["name"], start["cat"]) == (end["name"], end["cat"])
        assert end["ts"] >= start["ts"]
        for arrow in (start, end):
            assert any(one["ts"] - 1e-9 <= arrow["ts"] <= one["ts"] + one["dur"] + 1e-9 for one in tracks[arrow["tid"]])
    assert bool(starts) == bool(len(profile.timeline))


def test_arrows_are_the_dependences_of_the_timeline(matmul: Profile) -> None:
    found = [one for one in trace(matmul)["traceEvents"] if one["ph"] == "s"]
    assert len(found) == sum(len(waits) for waits in matmul.run.waits)
    assert sum(one["name"] == "data" for one in found) == sum(c % 2 == 0 for waits in matmul.run.waits for c in waits)


def test_an_event_says_operands_line_and_charges(matmul: Profile) -> None:
    (first, *_) = [one for one in slices(trace(matmul)["traceEvents"]) if one["name"] == "tensor_copy"]
    arguments = first["args"]
    assert arguments["kind"] == "compute"
    assert arguments["operand dst"].endswith("(out)") and arguments["operand src"].endswith("(sum)")
    assert arguments["line"].startswith("building.py:")
    charged = arguments["charged, occupying the engine"]
    assert charged.startswith(f"{first['dur'] * 1e3:.1f} ns = ") and "vector.issue_cycles" in charged


def test_memory_counters_peak_where_the_allocation_does(matmul: Profile) -> None:
    counters = [one for one in trace(matmul)["traceEvents"] if one["ph"] == "C"]
    psum = [one["args"]["bytes"] for one in counters if one["name"].startswith("PSUM")]
    assert max(psum) >= matmul.memory["psum"].peak_bytes
    assert min(psum) >= 0.0 and psum[-1] == 0.0


def test_bandwidth_counters_add_up_to_the_bytes(matmul: Profile) -> None:
    counters = [one for one in trace(matmul)["traceEvents"] if one["ph"] == "C"]
    rate = [(one["ts"], one["args"]) for one in counters if one["name"] == "DMA GB/s"]
    lengths = np.diff([at for at, _ in rate]) * 1e3
    assert sum(n * args["GB/s"] for n, (_, args) in zip(lengths, rate, strict=False)) == pytest.approx(
        matmul.metrics.dma_bytes, rel=1e-3
    )
    hbm = [(one["ts"], one["args"]) for one in counters if one["name"] == "HBM GB/s"]
    for key, total in (("read", matmul.metrics.hbm_read_bytes), ("written", matmul.metrics.hbm_write_bytes)):
        assert sum(n * args[key] for n, (_, args) in zip(lengths, hbm, strict=False)) == pytest.approx(total, rel=1e-3)


def test_long_traces_are_cut_with_a_warning(matmul: Profile) -> None:
    everything = len(slices(trace(matmul)["traceEvents"]))
    with pytest.warns(TraceTruncated, match=f"the last {everything - 10} of {everything} events"):
        found = trace(matmul, max_events=10)
    assert sum(one["ph"] in "Xsf" for one in found["traceEvents"]) == 10
    assert found["otherData"]["events_left_out"] == everything - 10


def test_arrows_give_way_first(matmul: Profile) -> None:
    everything = len(slices(trace(matmul)["traceEvents"]))
    with pytest.warns(TraceTruncated, match="dependence arrows"):
        found = trace(matmul, max_events=everything + 4)
    assert len(slices(found["traceEvents"])) == everything
    assert sum(one["ph"] == "s" for one in found["traceEvents"]) == 2


def test_large_traces_say_less_of_each_event(matmul: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perfetto, "DETAILED_EVENTS", 3)
    arguments = slices(trace(matmul)["traceEvents"])[0]["args"]
    assert "line" in arguments and not any(name.startswith(("operand", "charged")) for name in arguments)


def test_tracks_sort_engines_first(matmul: Profile) -> None:
    events = trace(matmul)["traceEvents"]
    order = {one["tid"]: one["args"]["sort_index"] for one in events if one["name"] == "thread_sort_index"}
    names = {one["tid"]: one["args"]["name"] for one in events if one["name"] == "thread_name"}
    found = [names[tid] for tid in sorted(order, key=order.__getitem__)]
    assert found[:2] == ["tensor", "tensor weight load"]
    assert all(not name.startswith("dma") for name in found[: ENGINES - 1])
