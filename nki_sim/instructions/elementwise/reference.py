"""Reference meaning of tensor_copy, tensor_tensor, tensor_scalar, scalar_tensor_tensor, reciprocal and memset."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from nki_sim.instructions.call import Array, Float32, Reference, ReferenceCall, as_storage
from nki_sim.instructions.operators import (
    BITVEC,
    INTEGER,
    UNARY_NAMES,
    arithmetic,
    bitvec,
    immediate_bits,
    integer_binary,
    unsigned_bits,
)
from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import cast, int32, uint32


def tensor_copy(call: ReferenceCall) -> None:
    """nki.isa.tensor_copy: bit-accurate when the types agree, through float32 otherwise."""
    source, target = call.dtype("src"), call.dtype("dst")
    call.write_raw("dst", cast(call.read("src"), source, target))


def tensor_tensor(call: ReferenceCall) -> None:
    """nki.isa.tensor_tensor: bitvec on patterns; exact on GpSimd for 32-bit integers; float32 otherwise."""
    op = call.attributes["op"]
    if op in BITVEC:
        right = unsigned_bits(call.read("data2")).reshape(call.shape("data1"))
        _write_bits(call, bitvec(op, unsigned_bits(call.read("data1")), right))
        return
    types = [call.dtype(name) for name in ("dst", "data1", "data2")]
    if call.engine == "gpsimd" and op in INTEGER and all(one in (int32, uint32) for one in types):
        right = call.read("data2").reshape(call.shape("data1"))
        call.write_raw("dst", integer_binary(op, call.read("data1"), right, types[0].storage))
        return
    # Tiles need the same number of elements, not the same rank.
    right = call.read_f32("data2").reshape(call.shape("data1"))
    call.write("dst", arithmetic(op, call.read_f32("data1"), right))


def tensor_scalar(call: ReferenceCall) -> None:
    """nki.isa.tensor_scalar: (data op0 operand0) op1 operand1, operands swapped where reversed; float32 in between."""
    steps = [(call.attributes["op0"], "operand0", bool(call.attributes.get("reverse0")))]
    if call.attributes.get("op1") is not None:
        steps.append((call.attributes["op1"], "operand1", bool(call.attributes.get("reverse1"))))
    if steps[0][0] in BITVEC:
        bits = unsigned_bits(call.read("data"))
        for op, name, reverse in steps:
            bits = bitvec(op, bits, None if op in UNARY_NAMES else _operand_bits(call, name), reverse)
        _write_bits(call, bits)
        return
    value = call.read_f32("data")
    for op, name, reverse in steps:
        value = arithmetic(op, value, None if op in UNARY_NAMES else call.scalar_or_tile(name), reverse)
    call.write("dst", value)


def _operand_bits(call: ReferenceCall, name: str) -> Array:
    operand = call.operand(name)
    if isinstance(operand, AccessPattern):
        bits = unsigned_bits(call.read(name))
        return bits.reshape(-1, *[1] * (len(call.shape("data")) - 1))
    if not isinstance(operand, int | float):
        call.undocumented(f"a bitvec operator needs an integer or a tile for {name}, not {operand!r}")
    return immediate_bits(operand, call.dtype("data").storage)


def _write_bits(call: ReferenceCall, bits: Array) -> None:
    """Patterns as the destination's type; a destination of another width cuts them or fills with zeros (assumed)."""
    target = call.dtype("dst").storage
    call.write_raw("dst", bits.astype(f"u{target.itemsize}").view(target))


def scalar_tensor_tensor(call: ReferenceCall) -> None:
    """nki.isa.scalar_tensor_tensor: (data op0 operand0) op1 operand1 with a tile for operand1."""
    first: Float32 = arithmetic(
        call.attributes["op0"],
        call.read_f32("data"),
        call.scalar_or_tile("operand0"),
        bool(call.attributes.get("reverse0")),
    )
    second = call.read_f32("operand1").reshape(first.shape)
    call.write("dst", arithmetic(call.attributes["op1"], first, second, bool(call.attributes.get("reverse1"))))


def reciprocal(call: ReferenceCall) -> None:
    """nki.isa.reciprocal: 1 / x in float32, correctly rounded."""
    call.write("dst", arithmetic("reciprocal", call.read_f32("data")))


def memset(call: ReferenceCall) -> None:
    """nki.isa.memset: every element becomes the constant."""
    constant = as_storage(call.attributes["value"], call.dtype("dst"))
    call.write_raw("dst", np.full(call.shape("dst"), constant))


REFERENCE: Mapping[str, Reference] = MappingProxyType(
    {
        "tensor_copy": tensor_copy,
        "tensor_tensor": tensor_tensor,
        "tensor_scalar": tensor_scalar,
        "scalar_tensor_tensor": scalar_tensor_tensor,
        "reciprocal": reciprocal,
        "memset": memset,
    }
)
