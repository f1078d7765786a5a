"""--arg NAME=VALUE: what it stands for, and what it says when it stands for nothing."""

from __future__ import annotations

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.cli.arrays import ArgumentSpec, make_value, parse_argument
from nki_sim.program import dtypes

shapes = st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple)


@given(shapes, st.sampled_from(dtypes.ALL))
def test_an_array(shape: tuple[int, ...], dtype: dtypes.DType) -> None:
    spec = parse_argument(f"x={'x'.join(map(str, shape))}:{dtype}")
    assert (spec.name, spec.shape, spec.dtype) == ("x", shape, dtype)
    value = make_value(spec, np.random.default_rng(0))
    assert value.shape == shape
    assert dtypes.dtype_of(value.dtype) == ("float32" if dtype == "tfloat32" else dtype)
    again = make_value(spec, np.random.default_rng(0))
    assert again.tobytes() == value.tobytes()


@given(st.sampled_from([d for d in dtypes.ALL if not d.is_float]))
def test_integers_are_small_and_varied(dtype: dtypes.DType) -> None:
    values = make_value(ArgumentSpec("x", (4096,), dtype), np.random.default_rng(1)).astype(np.int64)
    low, high = {"int": (-8, 7), "uint": (0, 7), "bool": (0, 1)}[dtype.kind]
    assert (values.min(), values.max()) == (low, high)


literals = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=6,
)


@given(literals)
def test_any_other_value_is_a_python_literal(value: object) -> None:
    spec = parse_argument(f"flag={value!r}")
    assert spec.dtype is None
    assert make_value(spec, np.random.default_rng(0)) == value


@pytest.mark.parametrize("text", ["x", "", "=3", "a b=3", "1x=3", "x.y=3", "4x4:float32"])
def test_no_name(text: str) -> None:
    with pytest.raises(click.UsageError, match="write NAME=VALUE, such as a=128x512:float32"):
        parse_argument(text)


@pytest.mark.parametrize("value", ["", "abc", "4x4", "4X4:float32", "4x:float32", "(" * 300, "1 + x", "4x4:"])
def test_no_value(value: str) -> None:
    with pytest.raises(click.UsageError, match="is neither SHAPE:DTYPE"):
        parse_argument(f"x={value}")


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex64", "torch", "_"])
def test_a_type_nki_lacks(dtype: str) -> None:
    with pytest.raises(click.UsageError, match=f"--arg x=4x4:{dtype}: '{dtype}' is not an NKI data type"):
        parse_argument(f"x=4x4:{dtype}")


def test_an_array_larger_than_any_memory() -> None:
    with pytest.raises(click.UsageError, match="no memory"):
        make_value(parse_argument("x=99999999x99999999x99999999:float32"), np.random.default_rng(0))
    with pytest.raises(click.UsageError, match="--arg x=9999"):
        parse_argument(f"x={'9' * 5000}:float32")


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse_argument(f"x={text}")
    except click.UsageError as error:
        assert str(error).startswith("--arg x=")
