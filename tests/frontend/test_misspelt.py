"""The fix of a misspelt name or a wrong keyword names what there is."""

import keyword
import types

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim.frontend.misspelt import fix_of


def raised(action):
    with pytest.raises((AttributeError, NameError, TypeError)) as caught:
        action()
    return caught.value


@given(
    st.sampled_from(sorted(name for name in dir(nisa) if callable(getattr(nisa, name)) and len(name) > 6)), st.data()
)
def test_one_letter_dropped_from_an_instruction_is_named_in_full(name, data):
    at = data.draw(st.integers(0, len(name) - 1))
    misspelt = name[:at] + name[at + 1 :]
    assume(misspelt.isidentifier() and not keyword.iskeyword(misspelt) and not hasattr(nisa, misspelt))
    fix = fix_of(raised(lambda: getattr(nisa, misspelt)))
    assert fix.startswith("write nisa.")
    assert hasattr(nisa, fix.removeprefix("write nisa."))


@pytest.mark.parametrize(
    ("action", "fix"),
    [
        (lambda: nl.mulitply, "write nl.multiply"),
        (lambda: nl.zzzzzz, ""),
        (lambda: [].apend, "write .append"),
        (lambda: nisa.dma_copy(dst=None, source=None), "write src="),
        (lambda: nisa.dma_copy(dst=None, whatever=None), "it takes dst, src, "),
        (lambda: nisa.dma_copy(dst=None), "it takes dst, src, "),
        (lambda: nl.ndarray((1, 1), "float32", bufer=nl.sbuf), "write buffer="),
        (lambda: round(1.0, digits=2), ""),
        (lambda: 1 + "a", ""),
        (lambda: nissa, "write nisa"),  # noqa: F821 - misspelt on purpose
    ],
)  # fmt: skip
def test_the_fix_is_what_was_probably_meant(action, fix):
    found = fix_of(raised(action))
    assert found == fix or (fix.endswith(", ") and found.startswith(fix))


def test_a_kernel_that_reads_a_name_before_it_is_set_gets_no_wrong_hint():
    def unbound():
        value = later  # noqa: F821, F841 - read before it is set
        later = 1  # noqa: F841

    assert fix_of(raised(unbound)) == ""


def test_modules_of_the_kernels_own_are_named_by_their_last_part():
    helpers = types.ModuleType("team.helpers")
    helpers.scaled = round
    assert fix_of(raised(lambda: helpers.scald)) == "write helpers.scaled"
