"""The tolerance rule: its coefficients follow the output type, the reduction length and the intermediate type."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.program.dtypes import DType, dtype_of, from_float32
from nki_sim.testing import default_tolerance, tolerance_for
from nki_sim.testing.strategies import dtypes
from nki_sim.testing.tolerance import unit_roundoff


@given(dtype=dtypes(), mantissa=st.floats(1.0, 2.0, width=32), exponent=st.integers(-4, 5))
def test_rounding_to_a_type_stays_within_its_unit_roundoff(dtype: DType, mantissa: float, exponent: int) -> None:
    value = np.float32(mantissa * 2.0**exponent)
    rounded = float(from_float32(np.array([value]), dtype)[0])
    assert abs(rounded - float(value)) <= unit_roundoff(dtype) * abs(float(value))


@given(dtype=dtypes())
def test_half_the_unit_roundoff_would_be_too_small(dtype: DType) -> None:
    halfway = np.array([1.0 + unit_roundoff(dtype) * 0.96], dtype=np.float32)
    rounded = float(from_float32(halfway, dtype)[0])
    if dtype is not dtype_of("float32"):
        assert abs(rounded - float(halfway[0])) > unit_roundoff(dtype) / 2


def test_bfloat16_keeps_eight_bits() -> None:
    assert unit_roundoff(ml_dtypes.bfloat16) == 2.0**-8
    assert unit_roundoff("tfloat32") == 2.0**-11
    assert unit_roundoff("int32") == 0.0


@given(length=st.integers(1, 100_000), factor=st.integers(2, 100))
def test_longer_sums_get_more_slack_but_less_than_in_proportion(length: int, factor: int) -> None:
    short, long = tolerance_for("float32", length).compute, tolerance_for("float32", length * factor).compute
    assert short < long < factor * short


def test_a_narrow_intermediate_dominates_short_sums() -> None:
    assert tolerance_for("float32", 4, intermediate="bfloat16").compute > 2.0**-6
    assert tolerance_for("float32", 4).compute < 2.0**-18


def test_default_takes_the_longest_axis_of_the_inputs() -> None:
    inputs = (np.zeros((3, 700), np.float32), "static", np.zeros((50, 2), np.float32))
    assert default_tolerance("bfloat16", inputs) == tolerance_for("bfloat16", 700)
    assert default_tolerance("float32", ()) == tolerance_for("float32", 1)


def test_integers_made_of_integers_are_exact() -> None:
    whole, real = np.zeros((4, 4), np.int32), np.zeros((4, 4), np.float32)
    assert default_tolerance("int32", (whole, 3)).compute == 0.0
    assert default_tolerance("int32", (whole, real)).compute > 0.0


def test_integers_may_be_off_by_half_a_unit_only() -> None:
    found = tolerance_for("int32")
    assert (found.output, found.floor) == (0.0, 0.5)


def test_scaling_scales_every_coefficient() -> None:
    once = tolerance_for("float16", 64)
    twice = once.scaled(2.0)
    assert (twice.output, twice.compute, twice.floor) == (2 * once.output, 2 * once.compute, 2 * once.floor)


def test_a_sum_has_at_least_one_term() -> None:
    with pytest.raises(ValueError, match="reduction_length is 0"):
        tolerance_for("float32", 0)
