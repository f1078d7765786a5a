"""widen: a program that keeps float32 throughout (``precise=False``), to tell a bug from a rounding effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.dtypes import DType, float32
from nki_sim.program.ir import Instruction, Item, Loop, Operand, Program, TensorDecl


class CannotWiden(ValueError):
    """The program reads a narrow float tensor as another type, which has no float32 counterpart."""


def is_narrow(dtype: DType) -> bool:
    """Whether `dtype` is a float type that rounds more than float32."""
    return dtype.is_float and dtype is not float32


def widen(program: Program) -> Program:
    """A copy of `program` in which every narrow float tensor is float32. Positions, sites and registers are shared.

    Patterns count elements, so they stay as they are. Raises CannotWiden for a reinterpreted narrow tensor.
    """
    tensors = [_copy(t, float32 if is_narrow(t.dtype) else t.dtype) for t in program.tensors]

    def pattern(old: AccessPattern) -> AccessPattern:
        if old.dtype is not old.tensor.dtype and (is_narrow(old.dtype) or is_narrow(old.tensor.dtype)):
            raise CannotWiden(
                f"tensor {old.tensor.name or old.tensor.index} of {old.tensor.dtype} is read as {old.dtype}"
            )
        tensor = tensors[old.tensor.index]
        dynamic, vector = old.dynamic, old.vector
        if dynamic is not None and isinstance(dynamic.source, AccessPattern):
            dynamic = DynamicOffset(pattern(dynamic.source), dynamic.multiplier, dynamic.limit)
        if vector is not None:
            vector = VectorOffset(pattern(vector.index), vector.multiplier, vector.limit)
        dtype = float32 if is_narrow(old.dtype) else old.dtype
        return AccessPattern(tensor, dtype, old.partition, old.offset, old.dims, dynamic, vector)

    def operand(old: Operand) -> Operand:
        return pattern(old) if isinstance(old, AccessPattern) else old

    def body(items: list[Item]) -> list[Item]:
        out: list[Item] = []
        for item in items:
            if isinstance(item, Loop):
                out.append(replace(item, body=body(item.body)))
            else:
                operands = {name: operand(value) for name, value in item.operands.items()}
                out.append(Instruction(item.op, operands, dict(item.attributes), item.engine, item.site, item.label))
        return out

    constants: dict[int, Any] = {
        index: values.astype(np.float32) if is_narrow(program.tensors[index].dtype) else values
        for index, values in program.constants.items()
    }
    return replace(
        program,
        tensors=tensors,
        body=body(program.body),
        inputs=[tensors[t.index] for t in program.inputs],
        outputs=[tensors[t.index] for t in program.outputs],
        results=[pattern(p) for p in program.results],
        constants=constants,
    )


def _copy(tensor: TensorDecl, dtype: DType) -> TensorDecl:
    return replace(tensor, dtype=dtype)
