"""The reference engine around its instructions: findings, undefined memory, lanes, what it refuses to guess."""

from __future__ import annotations

import numpy as np
import pytest

from nki_sim.diagnostics.model import UndocumentedBehaviour, UninitialisedError
from nki_sim.engines import Engine
from nki_sim.engines import reference as engine
from nki_sim.engines.reference import FAMILIES, prepare, reference_functions
from nki_sim.program import dtypes as d
from nki_sim.program.ir import Loop
from tests.support.programs import Builder, run, run_sequence, tile

f32 = np.float32
IN_SCOPE = {
    "dma_copy", "nc_matmul", "nc_transpose", "tensor_copy", "tensor_tensor", "tensor_scalar", "scalar_tensor_tensor",
    "reciprocal", "memset", "tensor_reduce", "tensor_partition_reduce", "bn_stats", "bn_aggr", "activation",
    "activation_reduce", "iota", "affine_select", "tensor_copy_predicated", "tensor_tensor_scan", "nc_stream_shuffle",
    "register_move", "register_load", "register_store", "device_print",
}  # fmt: skip


def test_every_instruction_has_a_reference() -> None:
    assert set(reference_functions()) >= IN_SCOPE
    assert len(FAMILIES) == len(set(FAMILIES))
    as_engine: Engine = engine
    assert as_engine.prepare is prepare


def test_memory_nobody_wrote_shows_as_nan() -> None:
    builder = Builder()
    out = builder.bring_back(builder.tensor("sbuf", (3, 4), d.float32))
    builder.run(prepare)
    assert np.isnan(builder.hbm[out.index]).all()


def test_unwritten_register_is_an_error() -> None:
    for as_bound in (False, True):
        builder = Builder()
        register, other = builder.register(), builder.register()
        if as_bound:
            builder.program.body.append(Loop(register=other, stop=register))
        else:
            builder.emit("register_move", {"dst": other, "src": register}, {}, "sync")
        with pytest.raises(UninitialisedError) as caught:
            builder.run(prepare)
        assert "r0" in caught.value.diagnostics[0].message


def activation(op: str, **changes: object) -> tuple[object, ...]:
    x = np.ones((4, 3), f32)
    operands = {"dst": tile(np.zeros_like(x)), "data": tile(x), "bias": None, "scale": 1.0, "reduce_res": None}
    return "activation", operands, {"op": op, "reduce_op": None, "reduce_cmd": "idle", **changes}, "scalar"


@pytest.mark.parametrize(
    "changes", [{"op": "prelu"}, {"op": "copy", "reduce_cmd": "load_reduce"}, {"op": "copy", "reduce_op": "abs_max"}]
)
def test_no_value_where_the_documents_give_none(changes: dict[str, str]) -> None:
    with pytest.raises(UndocumentedBehaviour) as caught:
        run_sequence(prepare, [activation(**changes)])
    assert caught.value.diagnostics[0].owner == "documents"


def test_transpose_mode_without_an_identity_is_undocumented() -> None:
    x = np.ones((4, 4), f32)
    operands = {"dst": tile(np.zeros_like(x), space="psum"), "stationary": tile(x), "moving": tile(x)}
    with pytest.raises(UndocumentedBehaviour):
        run(prepare, "nc_matmul", operands, {"is_transpose": True, "accumulate": False}, "tensor")


def test_transpose_flag_is_a_label_on_gen2() -> None:
    x, y = np.arange(16, dtype=f32).reshape(4, 4), np.ones((4, 4), f32)
    operands = {"dst": tile(np.zeros_like(x), space="psum"), "stationary": tile(x), "moving": tile(y)}
    got = run(prepare, "nc_matmul", operands, {"is_transpose": True, "accumulate": False}, "tensor", target="trn1")
    assert got["dst"].tolist() == (x.T @ y).tolist()


def test_shuffle_from_a_partition_the_source_does_not_have_is_undocumented() -> None:
    operands = {"dst": tile(np.zeros((40, 2), f32)), "src": tile(np.ones((1, 2), f32))}
    with pytest.raises(UndocumentedBehaviour):
        run(prepare, "nc_stream_shuffle", operands, {"shuffle_mask": (0,) * 32})


def test_accumulators_belong_to_physical_lanes() -> None:
    def step(rows: int, first: int, command: str) -> tuple[object, ...]:
        x = np.ones((rows, 2), f32)
        where = {"first_partition": first}
        operands = {
            "dst": tile(np.zeros_like(x), **where), "data": tile(x, **where), "bias": None, "scale": 1.0,
            "reduce_res": tile(np.zeros((rows, 1), f32), **where),
        }  # fmt: skip
        return "activation", operands, {"op": "copy", "reduce_op": "add", "reduce_cmd": command}, "scalar"

    result = run_sequence(prepare, [step(64, 0, "reset_reduce"), step(32, 32, "reduce"), step(64, 0, "idle")])
    assert result["1.reduce_res"].ravel().tolist() == [4.0] * 32
    assert result["2.reduce_res"].ravel().tolist() == [2.0] * 32 + [4.0] * 32


def test_accumulators_start_undefined_in_each_run() -> None:
    builder = Builder()
    data = builder.add_tile(tile(np.ones((4, 2), f32)))[1]
    cell = builder.tensor("sbuf", (4, 1), d.float32)
    for command in ("reduce", "reset_reduce"):
        operands = {"dst": data, "data": data, "bias": None, "scale": 1.0, "reduce_res": cell.whole()}
        attributes = {"op": "copy", "reduce_op": "add", "reduce_cmd": command}
        builder.emit("activation", operands, attributes, "scalar")
        if command == "reduce":
            first = builder.bring_back(cell)
    last = builder.bring_back(cell)
    for _ in range(2):
        builder.run(prepare)
        assert np.isnan(builder.hbm[first.index]).all()
        assert builder.hbm[last.index].ravel().tolist() == [2.0] * 4


def test_matmul_needs_a_resolved_flag() -> None:
    x = np.ones((4, 4), f32)
    operands = {"dst": tile(np.zeros_like(x), space="psum"), "stationary": tile(x), "moving": tile(x)}
    with pytest.raises(ValueError, match="resolved"):
        run(prepare, "nc_matmul", operands, {"accumulate": None}, "tensor")
