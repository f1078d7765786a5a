"""What a broken rule reads like, word for word, and which operand it points at."""

from __future__ import annotations

from typing import Any

import pytest

from nki_sim.program.ir import Register
from tests.instructions.tiles import checked, errors, tile


def psum(*shape: int, dtype: str = "float32") -> Any:
    return tile(*shape, dtype=dtype, space="psum")


def bf16(*shape: int) -> Any:
    return tile(*shape, dtype="bfloat16")


def test_the_message_of_the_design() -> None:
    found = checked("nc_matmul", dst=psum(128, 512), stationary=bf16(128, 256), moving=bf16(128, 512)).violations
    assert [v.message for v in found] == ["nc_matmul: stationary is [K=128, M=256]; M may be at most 128 on trn2"]
    assert (found[0].code, found[0].operand) == ("shape", "stationary")
    assert found[0].fact == "the systolic array has 128 columns (gemm_stationary_fmax)"
    assert found[0].fix == "split M into tiles of 128"


@pytest.mark.parametrize(
    ("name", "on", "given", "message"),
    [
        (
            "nc_matmul",
            "trn2",
            {"dst": psum(128, 512), "stationary": bf16(128, 128), "moving": tile(128, 512)},
            "nc_matmul: stationary is bfloat16 and moving is float32; float32 and tfloat32 pair only with each other",
        ),
        (
            "nc_matmul",
            "trn2",
            {"dst": psum(128, 512, dtype="bfloat16"), "stationary": bf16(128, 128), "moving": bf16(128, 512)},
            "nc_matmul: dst is bfloat16; on trn2 it must be float32",
        ),
        (
            "nc_matmul",
            "trn2",
            {"dst": tile(128, 512), "stationary": bf16(128, 128), "moving": bf16(128, 512)},
            "nc_matmul: dst is in sbuf; it must be in psum",
        ),
        (
            "tensor_tensor",
            "trn2",
            {"dst": tile(128, 512), "data1": tile(128, 512), "data2": tile(128, 256), "op": "add"},
            "tensor_tensor: data2 is [P=128, F=256]; F is 512 in data1",
        ),
        (
            "tensor_tensor",
            "trn2",
            {"dst": tile(128, 512), "data1": psum(128, 512), "data2": psum(128, 512), "op": "add"},
            "tensor_tensor: two inputs are both in psum; at most one may be",
        ),
        (
            "tensor_copy",
            "trn2",
            {"dst": tile(128, 512), "src": psum(128, 512), "engine": "gpsimd"},
            "tensor_copy: src is in psum, which the gpsimd engine cannot reach",
        ),
        (
            "tensor_copy",
            "trn1",
            {"dst": tile(128, 512), "src": tile(128, 512), "engine": "scalar"},
            "tensor_copy: engine is scalar, which cannot execute it on trn1",
        ),
        (
            "tensor_copy",
            "trn2",
            {"dst": tile(16, 512), "src": tile(16, 512, address=(16, 0))},
            "tensor_copy: src starts at partition 16; an access of 16 partitions must start at 0, 32, 64 or 96",
        ),
        (
            "activation",
            "trn1",
            {"dst": tile(128, 512), "data": tile(128, 512), "op": "exp", "bias": 1.0},
            "activation: bias is a number, which trn1 does not take",
        ),
        (
            "activation",
            "trn2",
            {"dst": tile(128, 512), "data": tile(128, 512), "op": "exp", "reduce_op": "maximum"},
            "activation: reduce_op is maximum; it must be add",
        ),
        (
            "tensor_reduce",
            "trn2",
            {"dst": tile(128, 64), "data": tile(128, 8, 64), "op": "add", "axis": (1,)},
            "tensor_reduce: axis is (1,) and data is [P=128, F=8*64]; "
            "axis must be the last free dimensions, without gaps",
        ),
        (
            "bn_aggr",
            "trn2",
            {"dst": tile(128, 2), "data": tile(128, 14)},
            "bn_aggr: data is [P=128, F=14]; F must be a multiple of 3",
        ),
        (
            "dma_copy",
            "trn2",
            {"dst": tile(128, 512), "src": psum(128, 512)},
            "dma_copy: src is in psum, which DMA cannot reach",
        ),
        (
            "dma_copy",
            "trn2",
            {"dst": bf16(128, 512), "src": tile(128, 512, space="hbm"), "dge_mode": "hwdge"},
            "dma_copy: dst is bfloat16 and src is float32; hwdge copies do not cast",
        ),
        (
            "register_move",
            "trn2",
            {"dst": Register(0), "src": 2.5},
            "register_move: src is a number; it must be an integer or a register",
        ),
        ("memset", "trn2", {"value": 0.0}, "memset: dst is missing; it must be a tile"),
        ("memset", "trn2", {"dst": tile(1, 1, dtype="int32"), "value": 0.5}, "memset: value is 0.5, but dst is int32"),
        (
            "nc_stream_shuffle",
            "trn2",
            {"dst": tile(32, 4), "src": tile(1, 4), "shuffle_mask": (0,) * 31},
            "nc_stream_shuffle: shuffle_mask has 31 entries; it must have 32",
        ),
    ],
)
def test_messages(name: str, on: str, given: dict[str, Any], message: str) -> None:
    assert errors(name, on, **given) == [message]


def test_float32_operands_are_asked_for_but_not_demanded() -> None:
    found = checked("tensor_scalar", dst=tile(128, 8), data=tile(128, 8), op0="multiply", operand0=bf16(128, 1))
    assert found.ok
    assert [(v.severity, v.message) for v in found.violations] == [
        ("warning", "tensor_scalar: operand0 is bfloat16; the documents ask for float32")
    ]
