"""widen: a copy in which narrow floats are float32, and everything else is as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.dtypes import ALL, DType, bfloat16, float16, float32, int8, int32, uint16
from nki_sim.program.ir import Loop
from nki_sim.program.widen import CannotWiden, is_narrow, widen
from tests.support.ir import Build, at_register


@given(st.lists(st.sampled_from(ALL), min_size=2, max_size=6))
def test_only_narrow_floats_change(types: list[DType]) -> None:
    build = Build()
    tensors = [build.sbuf(4, 8, dtype=dtype) for dtype in types]
    for dst, src in zip(tensors[1:], tensors, strict=False):
        build.copy(dst, src)
    wide = widen(build.program)
    for dtype, old, new in zip(types, tensors, wide.tensors, strict=True):
        assert new is not old and old.dtype is dtype
        assert new.dtype is (float32 if is_narrow(dtype) else dtype)
        assert (new.shape, new.site, new.index, new.position) == (old.shape, old.site, old.index, old.position)
    for old_one, new_one in zip(build.program.instructions(), wide.instructions(), strict=True):
        assert (new_one.op, new_one.attributes, new_one.engine) == (old_one.op, old_one.attributes, old_one.engine)
        assert new_one is not old_one and new_one.site == old_one.site
        for name, operand in new_one.operands.items():
            old_operand = old_one.operands[name]
            assert isinstance(operand, AccessPattern) and isinstance(old_operand, AccessPattern)
            assert operand.tensor is wide.tensors[old_operand.tensor.index]
            assert operand.dtype is operand.tensor.dtype
            assert (operand.dims, operand.offset, operand.partition) == (
                old_operand.dims,
                old_operand.offset,
                old_operand.partition,
            )


def test_what_is_narrow() -> None:
    assert {str(d) for d in ALL if is_narrow(d)} == {
        "float16", "bfloat16", "tfloat32", "float8_e4m3", "float8_e4m3fn", "float8_e5m2",
    }  # fmt: skip


def test_inputs_outputs_constants_loops_and_indices_come_along() -> None:
    build = Build()
    x = build.input(16, 8, dtype=bfloat16)
    out = build.output(16, 8, dtype=bfloat16)
    constant = build.tensor("hbm", (4, 8), float16, role="constant")
    rows, tile = build.sbuf(4, 1, dtype=int32), build.sbuf(4, 8, dtype=bfloat16)
    build.program.constants[constant.index] = np.full((4, 8), 0.1, np.float16)
    build.program.results.append(out.whole())
    with build.loop(3) as counter:
        build.copy(tile, at_register(AccessPattern(x, bfloat16, None, 0, ((8, 4), (1, 8))), counter, 8, 13))
        index = AccessPattern(rows, int32, (0, 1, 1), 0, ((1, 1),))
        build.copy(tile, AccessPattern(x, bfloat16, None, 0, ((8, 4), (1, 8)), DynamicOffset(index, 8, 13)))
        gathered = AccessPattern(x, bfloat16, None, 0, ((0, 4), (1, 8)), None, VectorOffset(rows.whole(), 8, 16))
        build.copy(tile, gathered)
    wide = widen(build.program)
    assert wide.inputs == [wide.tensors[x.index]] and wide.outputs == [wide.tensors[out.index]]
    assert wide.results[0].tensor is wide.tensors[out.index] and wide.results[0].dtype is float32
    assert wide.constants[constant.index].dtype == np.float32
    np.testing.assert_array_equal(wide.constants[constant.index], np.full((4, 8), np.float16(0.1), np.float32))
    (loop,) = wide.body
    assert isinstance(loop, Loop) and loop.register is counter and loop is not build.program.body[0]
    by_register, by_tile, by_rows = (one.operands["src"] for one in wide.instructions())
    assert isinstance(by_register, AccessPattern) and by_register.dynamic is not None
    assert by_register.dynamic.source is counter
    assert isinstance(by_tile, AccessPattern) and by_tile.dynamic is not None
    assert isinstance(by_tile.dynamic.source, AccessPattern)
    assert by_tile.dynamic.source.tensor is wide.tensors[rows.index]
    assert isinstance(by_rows, AccessPattern) and by_rows.vector is not None
    assert by_rows.vector.index.tensor is wide.tensors[rows.index]
    assert by_rows.vector == VectorOffset(wide.tensors[rows.index].whole(), 8, 16)


@pytest.mark.parametrize(("stored", "read"), [(bfloat16, uint16), (uint16, bfloat16), (float16, bfloat16)])
def test_reinterpreted_narrow_floats_cannot_be_widened(stored: DType, read: DType) -> None:
    build = Build()
    tile = build.sbuf(4, 8, dtype=stored, name="bits")
    build.memset(tile.whole().replace(dtype=read))
    with pytest.raises(CannotWiden, match=f"tensor bits of {stored} is read as {read}"):
        widen(build.program)


def test_reinterpreted_integers_can() -> None:
    build = Build()
    tile = build.sbuf(4, 8, dtype=int32)
    build.memset(tile.whole().replace(dtype=int8))
    (one,) = widen(build.program).instructions()
    dst = one.operands["dst"]
    assert isinstance(dst, AccessPattern) and dst.dtype is int8 and dst.tensor.dtype is int32
