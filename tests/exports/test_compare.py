"""Comparison and gate: nothing differs from itself, differences add up and change sign, lines pair by their text."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nki_sim.profiler import baseline
from nki_sim.profiler.compare import Change, Comparison, compare, pair_lines
from nki_sim.profiler.profile import Profile

Document = dict[str, Any]


def line(text: str, number: int = 1, busy: float = 10.0, **fields: Any) -> Document:
    place = {"file": "kernel.py", "line": number, "function": "kernel", "text": text}
    return {
        "at": place, "instructions": 1, "busy_ns": {"vector": busy}, "stall_ns": 0.0, "moved_bytes": 0, **fields,
    }  # fmt: skip


def numbered(texts: list[str]) -> list[Document]:
    return [line(text, number) for number, text in enumerate(texts, 1)]


words = st.lists(st.sampled_from(["load(a)", "load(b)", "product(a, b)", "copy(c)", "store(c)"]), max_size=8)


@given(words, words)
def test_each_line_is_paired_once_and_in_order(old: list[str], new: list[str]) -> None:
    before, after = numbered(old), numbered(new)
    pairs = pair_lines(before, after)
    assert [one for one, _ in pairs if one is not None] == before
    assert [other for _, other in pairs if other is not None] == after


@given(words, st.integers(0, 8))
@example(["product(a, b)", "load(a)", "product(a, b)", "load(a)", "product(a, b)"], 2)
def test_an_inserted_line_leaves_the_others_paired(old: list[str], at: int) -> None:
    new = [*old[:at], "quite another thing", *old[at:]]
    pairs = pair_lines(numbered(old), numbered(new))
    assert all(one["at"]["text"] == other["at"]["text"] for one, other in pairs if one and other)
    assert sum(one is None for one, _ in pairs) == 1


def test_a_rewritten_line_is_paired_with_what_is_like_it() -> None:
    old = numbered(["load(a)", "nisa.tensor_copy(dst=out, src=total)", "store(c)"])
    new = numbered(["load(a)", "nisa.tensor_copy(dst=out, src=total, engine=scalar)", "store(c)"])
    assert all(one and other for one, other in pair_lines(old, new))


def test_nothing_differs_from_itself(profile: Profile) -> None:
    found = compare(profile.to_json(), profile.to_json())
    assert found.same and found.total.ratio == 1.0


def test_differences_change_sign_with_the_sides(matmul: Profile, looped: Profile) -> None:
    one, other = matmul.to_json(), looped.to_json()
    there, back = compare(one, other), compare(other, one)
    assert there.total.difference == -back.total.difference == looped.total_ns - matmul.total_ns

    def by_name(found: list[Change]) -> dict[str, float]:
        return {change.name: change.difference for change in found}

    for name in ("engines", "instructions", "executions", "stalls", "traffic", "reloads"):
        assert by_name(getattr(there, name)) == {n: -d for n, d in by_name(getattr(back, name)).items()}


def test_the_critical_path_explains_all_of_the_difference(matmul: Profile, looped: Profile) -> None:
    found = compare(matmul.to_json(), looped.to_json())
    # Parts that differ by less than half a nanosecond are not listed.
    assert sum(one.difference for one in found.path) == pytest.approx(found.total.difference, abs=20.0)
    word = "less" if found.total.difference < 0 else "more"
    assert "the critical path has " in found.why and f' {word} of "' in found.why
    assert found.path[0].name in found.why
    assert found.to_json()["why"] == found.why


def test_triggers_that_move_to_another_queue_are_counted(matmul: Profile) -> None:
    before, after = matmul.to_json(), matmul.to_json()
    asked = before["engines"]["sync"]["dma_triggers"]
    after["engines"]["sync"]["dma_triggers"] = 0
    found = {one.name: (one.before, one.after) for one in compare(before, after).executions}
    assert found == {"DMA triggers (sync)": (asked, 0.0)}


def test_what_is_listed_is_what_differs(matmul: Profile) -> None:
    before = matmul.to_json()
    after = copy.deepcopy(before)
    after["total_ns"] += 100.0
    after["lines"][0]["stall_ns"] += 100.0
    after["engines"]["vector"]["busy_ns"] += 40.0
    after["hbm_tensors_read"][0]["times"] += 2
    found = compare(before, after)
    assert not found.same
    assert [(one.name, one.difference) for one in found.engines] == [("vector", pytest.approx(40.0))]
    assert [one.stall.difference for one in found.lines] == [pytest.approx(100.0)]
    assert [(one.name, one.difference) for one in found.reloads] == [("lhsT", 2)]
    assert not (found.instructions or found.stalls or found.traffic or found.executions)
    assert json.loads(json.dumps(found.to_json()))["engines"][0]["name"] == "vector"


@pytest.mark.parametrize("document", [{}, [], {"schema": "nki_sim.profile", "version": 1}, {"schema": {"name": "x"}}])
def test_other_documents_are_refused(matmul: Profile, document: Any) -> None:
    with pytest.raises(ValueError, match=r"not a profile|reads version"):
        compare(document, matmul.to_json())


# -- the gate ---------------------------------------------------------------------------------------------------------


def slower(document: Document, ratio: float) -> Document:
    found = copy.deepcopy(document)
    found["total_ns"] *= ratio
    found["lines"][0]["busy_ns"] = {lane: ns * 2 for lane, ns in found["lines"][0]["busy_ns"].items()}
    return found


@pytest.mark.parametrize("ratio, limit, ok", [(1.0, 0.0, True), (1.02, 0.01, False), (1.01, 0.01, True),
                                              (0.5, 0.0, True), (1.0001, 0.0, False)])  # fmt: skip
def test_the_gate_opens_up_to_its_limit(matmul: Profile, ratio: float, limit: float, ok: bool) -> None:
    before = matmul.to_json()
    assert baseline.judge(slower(before, ratio), before, limit).ok is ok


def test_a_failed_gate_names_how_much_and_the_lines_that_grew(matmul: Profile) -> None:
    before = matmul.to_json()
    text = "\n".join(baseline.judge(slower(before, 1.05), before, 0.01).lines())
    grown = before["lines"][0]["at"]
    assert "built: 5 % slower, " in text and "at most 1 % slower is allowed" in text
    assert f"{grown['file'].rsplit('/', 1)[-1]}:{grown['line']}  busy +" in text


def test_faster_says_so(matmul: Profile) -> None:
    before = matmul.to_json()
    assert "50 % faster" in baseline.judge(slower(before, 0.5), before, 0.0).lines()[0]


def test_another_target_is_no_baseline(matmul: Profile) -> None:
    before = matmul.to_json()
    with pytest.raises(ValueError, match="the baseline is for trn1, this run for trn2"):
        baseline.judge(before, {**before, "target": "trn1"}, 0.0)


def test_saved_profiles_come_back_the_same(matmul: Profile, looped: Profile, tmp_path: Path) -> None:
    documents = [matmul.to_json(), {**looped.to_json(), "kernel": "other"}]
    baseline.save(documents, tmp_path / "both.json")
    assert baseline.load(tmp_path / "both.json") == documents
    assert baseline.find(documents, "other") == documents[1]
    with pytest.raises(ValueError, match="no kernel 'third'; it has built, other"):
        baseline.find(documents, "third")
    baseline.save(documents[:1], tmp_path / "one.json")
    assert baseline.load(tmp_path / "one.json") == documents[:1]


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("x = 1", "utf-8")
    with pytest.raises(ValueError, match="not JSON"):
        baseline.load(tmp_path / "x.json")


@pytest.mark.parametrize("text, value", [("1%", 0.01), ("0.5 %", 0.005), ("0", 0.0), ("0.02", 0.02), ("150%", 1.5)])
def test_limits_are_shares(text: str, value: float) -> None:
    assert baseline.parse_limit(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["-1%", "one", "inf", "%", "nan", "1", "2.5"])
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        baseline.parse_limit(text)


def test_comparison_names_its_sides(matmul: Profile) -> None:
    found = compare(matmul.to_json(), slower(matmul.to_json(), 1.5), ("old", "new"))
    assert isinstance(found, Comparison)
    assert (found.before, found.after, found.total.ratio) == ("old", "new", pytest.approx(1.5))
