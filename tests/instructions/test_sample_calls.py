"""Every legal call passes the check; every call with one broken rule is found out, with that rule's code."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nki_sim import targets
from nki_sim.instructions.sample_calls import illegal_calls, legal_calls
from nki_sim.instructions.table import SPECS
from nki_sim.instructions.validate import check, check_cached

SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TARGETS = ("trn1", "trn2", "trn3")


@pytest.mark.parametrize("name", SPECS)
@SETTINGS
@given(data=st.data())
def test_legal_calls_pass(name: str, data: st.DataObject) -> None:
    target = targets.load(data.draw(st.sampled_from(TARGETS)))
    call = data.draw(legal_calls(SPECS[name], target))
    checked = check(SPECS[name], call.operands, call.attributes, target)
    assert [v for v in checked.violations if v.severity == "error"] == []
    assert checked.engine in {rule.engine for rule in SPECS[name].engines}
    assert check_cached(SPECS[name], call.operands, call.attributes, target) == checked


@pytest.mark.parametrize("name", SPECS)
@SETTINGS
@given(data=st.data())
def test_illegal_calls_are_found_out(name: str, data: st.DataObject) -> None:
    target = targets.load(data.draw(st.sampled_from(TARGETS)))
    call = data.draw(illegal_calls(SPECS[name], target))
    errors = [v for v in check(SPECS[name], call.operands, call.attributes, target).violations if v.severity == "error"]
    assert call.broken in {v.code for v in errors}, (call.how, errors)
    for violation in errors:
        assert violation.message.startswith(f"{name}: ")
        assert "{" not in violation.message + violation.fact + violation.fix
