"""Line costs: terms add up to what is charged, they are the target's own numbers, and known prices come out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from nki_sim.profiler.charged_terms import Term, phases_of
from nki_sim.profiler.line_costs import Charge, LineCost, explain_line, issuing_lines
from nki_sim.profiler.profile import Profile
from nki_sim.program.dtypes import bfloat16
from nki_sim.targets import NAMES, load
from nki_sim.timing import simulate
from nki_sim.timing.timeline import machine_rows
from tests.profiler.programs import placed
from tests.support.ir import part
from tests.timing.building import Timed


def explained(profile: Profile) -> Iterator[LineCost]:
    for file in {span.file for n in range(len(profile.run.instructions)) for span in profile.run.spans(n)}:
        for line in sorted(issuing_lines(profile, file)):
            yield explain_line(profile, file, line)


def charges(profile: Profile) -> Iterator[Charge]:
    for found in explained(profile):
        yield from found.charges


def terms(charge: Charge) -> Iterator[Term]:
    for phase in charge.phases:
        yield from phase.terms


@pytest.fixture(params=["matmul", "looped"])
def some(request: pytest.FixtureRequest) -> Profile:
    found: Profile = request.getfixturevalue(request.param)
    return found


def test_terms_add_up_to_their_phase(some: Profile) -> None:
    for charge in charges(some):
        assert charge.phases
        for phase in charge.phases:
            assert sum(term.value_ns for term in phase.terms) == pytest.approx(phase.value_ns, abs=1e-5)


def test_phases_are_the_row_of_the_instruction(some: Profile) -> None:
    """An engine's row lasts as long as the phases say, but for a clock not yet warm."""
    run = some.run
    for charge in charges(some):
        if charge.lane in ("vector", "scalar", "gpsimd"):
            number = run.instructions.index(charge.instruction)
            rows = run.rows[(run.rows["instruction"] == number) & (run.rows["lane"] == run.lanes.index(charge.lane))]
            row = rows[rows["kind"] == 0][0]
            found = {phase.name: phase.value_ns for phase in charge.phases}
            assert found["occupying the engine"] == pytest.approx(row["issue_end_ns"] - row["start_ns"])
            assert found["from there until its result can be used"] == pytest.approx(
                row["end_ns"] - row["issue_end_ns"]
            )


def test_every_term_is_a_number_of_the_target_with_its_source(some: Profile) -> None:
    for charge in charges(some):
        for term in terms(charge):
            assert term.source and term.formula
            if term.name not in ("formula", "columns"):
                number = some.target.number(term.name)
                assert term.source == number.source
                assert term.inputs[term.name.partition(".")[2]] == f"{number.value:g} {number.unit}"


def test_every_executed_instruction_is_found_on_its_line(some: Profile) -> None:
    innermost = {(s.file, s.line) for n in range(len(some.run.instructions)) for s in some.run.spans(n)[:1]}
    executed = sum(c.executions for file, line in innermost for c in explain_line(some, file, line).charges)
    assert executed == int(some.run.counts.sum())


def test_a_wait_for_the_place_of_another_tile_shows_its_signal() -> None:
    """Two tiles at one address: the signal runs from the last reader of one to the first writer of the other."""
    build = Timed()
    source = build.input(128, 4096)
    tiles = [build.sbuf(128, 2048, address=(0, 0)) for _ in range(2)]
    for number, tile in enumerate(tiles):
        build.move(tile, part(source, None, slice(2048 * number, 2048 * number + 2048)))
        build.by_vector(build.sbuf(128, 2048), tile, 2.0)
    profile, _ = placed(build)
    signals = [phase.name for found in explained(profile) for phase in found.signals]
    assert "signal from tensor_scalar, buffer reuse" in signals


@pytest.mark.parametrize("target", NAMES)
def test_a_copy_out_of_psum(target: str) -> None:
    build = Timed(target)
    build.tensor_copy(build.sbuf(128, 512), build.psum(128, 512))
    machine = load(target)
    run = simulate(build.program, None, machine)
    found = {p.name: p for p in phases_of(run, run.instructions[0])}["occupying the engine"]
    by_name = {term.name: term.value_ns for term in found.terms}
    clock = machine["vector.clock_ghz"]
    assert by_name["formula"] == pytest.approx(512 / clock)
    assert by_name["vector.issue_cycles"] == pytest.approx(machine["vector.issue_cycles"] / clock)
    assert found.value_ns == pytest.approx(run.works[0].interval_ns if run.works[0] else 0.0)


def test_of_two_limits_only_the_one_that_binds_is_charged() -> None:
    build = Timed()
    build.move(build.sbuf(128, 2048), build.input(128, 2048))
    run = simulate(build.program, None, load("trn2"))
    moving = {p.name: p for p in phases_of(run, run.instructions[0])}["moving its bytes"]
    names = {term.name for term in moving.terms}
    engines, ceiling = "dma.engine_bytes_per_ns" in names, "hbm.bandwidth_bytes_per_ns" in names
    assert engines != ceiling


def test_weight_loads_are_what_the_machine_rows_show() -> None:
    build = Timed()
    weights, moving = build.sbuf(128, 128, dtype=bfloat16), build.sbuf(128, 512, dtype=bfloat16)
    for _ in range(2):
        build.product(build.psum(128, 512), weights, moving)
    run = simulate(build.program, None, load("trn2"))
    (load_phase,) = [p for p in phases_of(run, run.instructions[0]) if p.name.startswith("weight load")]
    rows = machine_rows(run)
    loads = rows[(rows["start_ns"] == rows["load_start_ns"]) & (rows["issue_end_ns"] == rows["end_ns"])]
    # At full clock in the explanation, at half clock in the run.
    assert load_phase.value_ns <= float((loads["end_ns"] - loads["start_ns"])[-1]) + 1e-6
    assert any(term.name == "columns" and term.inputs["columns"] == "128" for term in load_phase.terms)


def test_waiting_lines_say_what_the_signal_costs(looped: Profile) -> None:
    found = [one for one in explained(looped) if one.stalls]
    assert found
    signals = [phase for one in found for phase in one.signals]
    assert signals
    for phase in signals:
        assert phase.name.startswith("signal from ")
        assert sum(term.value_ns for term in phase.terms) == pytest.approx(phase.value_ns, abs=1e-5)
    assert any(term.name.startswith("semaphore.") for phase in signals for term in phase.terms)


def test_stalls_of_a_line_are_those_of_the_profile(looped: Profile) -> None:
    assert sum(s.total_ns for one in explained(looped) for s in one.stalls) == pytest.approx(
        sum(one.total_ns for one in looped.stalls)
    )


def test_a_line_that_issued_nothing_is_empty(matmul: Profile) -> None:
    found = explain_line(matmul, __file__, 1)
    assert (found.charges, found.stalls, found.text) == ([], [], "")
    assert issuing_lines(matmul, __file__) == set()


def test_what_a_line_took_adds_up(matmul: Profile) -> None:
    rows = matmul.timeline
    took = sum(charge.taken_ns for charge in charges(matmul) if charge.lane == "vector")
    vector = rows[rows["lane"] == matmul.run.lanes.index("vector")]
    assert took == pytest.approx(float(np.sum(vector["issue_end_ns"] - vector["start_ns"])))
