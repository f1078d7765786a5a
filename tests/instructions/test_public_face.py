"""nki_sim.isa: signatures, docstrings and enums, and what `explain` prints."""

from __future__ import annotations

import inspect

import pytest
from rich.console import Console

import nki_sim.isa as nisa
from nki_sim import targets
from nki_sim.instructions.explain import explain
from nki_sim.instructions.table import SPECS

SIGNATURES = {
    "dma_copy": "dst, src, priority, oob_mode, dge_mode, engine, name",
    "nc_matmul": "dst, stationary, moving, is_stationary_onezero, is_moving_onezero, is_transpose, accumulate, "
    "tile_position, tile_size, perf_mode, name",
    "nc_transpose": "dst, data, engine, name",
    "tensor_copy": "dst, src, engine, name",
    "tensor_tensor": "dst, data1, data2, op, engine, name",
    "tensor_scalar": "dst, data, op0, operand0, reverse0, op1, operand1, reverse1, engine, name",
    "scalar_tensor_tensor": "dst, data, op0, operand0, op1, operand1, reverse0, reverse1, name",
    "reciprocal": "dst, data, name",
    "memset": "dst, value, engine, name",
    "tensor_reduce": "dst, op, data, axis, negate, keepdims, name",
    "tensor_partition_reduce": "dst, op, data, name",
    "bn_stats": "dst, data, name",
    "bn_aggr": "dst, data, name",
    "activation": "dst, op, data, bias, scale, reduce_op, reduce_res, reduce_cmd, name",
    "activation_reduce": "dst, op, data, reduce_op, reduce_res, bias, scale, name",
    "iota": "dst, pattern, offset, channel_multiplier, name",
    "affine_select": "dst, pattern, channel_multiplier, on_true_tile, on_false_value, cmp_op, offset, name",
    "tensor_copy_predicated": "dst, src, predicate, reverse_pred, name",
    "tensor_tensor_scan": "dst, data0, data1, initial, op0, op1, reverse0, reverse1, name",
    "nc_stream_shuffle": "dst, src, shuffle_mask, name",
    "register_move": "dst, src",
    "register_load": "dst, src",
    "register_store": "dst, src",
    "device_print": "print_prefix, tensor",
}


@pytest.mark.parametrize("name", SPECS)
def test_signatures_are_those_of_nki(name: str) -> None:
    function = getattr(nisa, name)
    assert ", ".join(inspect.signature(function).parameters) == SIGNATURES[name]
    assert SPECS[name].summary in str(function.__doc__)
    assert "Source:" in str(function.__doc__)


def test_defaults() -> None:
    parameters = inspect.signature(nisa.dma_copy).parameters
    assert parameters["oob_mode"].default is nisa.oob_mode.error
    assert parameters["engine"].default is nisa.engine.unknown
    assert inspect.signature(nisa.nc_matmul).parameters["perf_mode"].default is nisa.matmul_perf_mode.none
    assert inspect.signature(nisa.activation).parameters["scale"].default == 1.0


def test_unknown_arguments_are_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'mask'"):
        nisa.tensor_copy(1, 2, mask=3)  # type: ignore[call-arg]


def test_generations_compare() -> None:
    assert nisa.nc_version.gen2 < nisa.nc_version.gen3 <= 3
    assert nisa.vector_engine is nisa.engine.vector


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("on", ["trn1", "trn3"])
def test_explain_covers_every_instruction(name: str, on: str) -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(explain(name, targets.load(on)))
    text = capture.get()
    assert f"nisa.{name}" in text and SPECS[name].citations[0] in text.replace("\n", " ")
    assert all(parameter.name in text for parameter in SPECS[name].parameters)


def test_explain_gives_the_target_s_numbers() -> None:
    console = Console(width=600)
    with console.capture() as capture:
        console.print(explain("nc_matmul", targets.load("trn2")))
    text = " ".join(capture.get().split())
    assert "M <= gemm_stationary_fmax, when length(tile_size) == 0 [gemm_stationary_fmax = 128]" in text
    assert "itemsize(dst) <= psum_bytes" not in text


def test_explain_leaves_out_other_generations() -> None:
    console = Console(width=600)
    with console.capture() as capture:
        console.print(explain("nc_matmul", targets.load("trn3")))
    text = " ".join(capture.get().split())
    assert "N * itemsize(dst) <= psum_bytes, from gen4 on [psum_bytes = 16384]" in text
    assert "N <= gemm_moving_fmax, up to gen3" not in text
