"""How undefined elements travel through one instruction: which output elements depend on which input elements.

Every array here has the shape of an access pattern and holds 0 for a defined element, else the number of the origin of
its undefinedness. Exact per instruction where the dependence is static; where it depends on data (a predicate), an
element counts as defined when it may be, so that no legal kernel is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from nki_sim.memory.accesses import SHUFFLE_KEEP
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Instruction

Origins = npt.NDArray[np.int32]
Inputs = Mapping[str, Origins]
"""Origins of the operands with undefined elements; defined operands are absent. "dst" is the old content of dst."""

LANES = "accumulator"
"""Stands for the Scalar Engine's accumulator registers in inputs and results: (partitions, 1)."""

_QUADRANT = 32


def propagate(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    """Written operand name -> origins of what the instruction writes there; absent means all defined.

    Instructions not known here write defined values.
    """
    rule = _RULES.get(instruction.op)
    return {} if rule is None else rule(instruction, inputs)


def _shape(instruction: Instruction, name: str) -> tuple[int, int]:
    """(partitions, elements per partition) of an on-chip operand."""
    pattern = instruction.operands[name]
    assert isinstance(pattern, AccessPattern)
    rows = pattern.shape[0] if pattern.partition is not None else 1
    return rows, prod(pattern.shape) // max(rows, 1)


def _rows(origins: Origins) -> Origins:
    return origins.reshape(origins.shape[0], -1)


def _elementwise(*names: str) -> Callable[[Instruction, Inputs], dict[str, Origins]]:
    """Element i of dst depends on element i of each operand; (P, 1) operands on all elements of the partition."""

    def rule(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
        out: Origins = np.zeros(_shape(instruction, "dst"), dtype=np.int32)
        for name in names:
            if name in inputs:
                out = np.maximum(out, _rows(inputs[name]))
        return {"dst": out}

    return rule


def _copy_in_order(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    return {"dst": inputs["src"].reshape(-1)} if "src" in inputs else {}


def _activation(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    """As element-wise; the sum over each partition goes through the engine's accumulator, which lives across calls."""
    written = _elementwise("data", "bias", "scale")(instruction, inputs)
    row = written["dst"].max(axis=1, keepdims=True)
    lanes = inputs.get(LANES, np.zeros_like(row))
    command = instruction.attributes.get("reduce_cmd", "reset_reduce")
    if command == "reset_reduce":
        lanes = row
    elif command == "reduce":
        lanes = np.maximum(lanes, row)
    elif command == "reset":
        lanes = np.zeros_like(row)
    written[LANES] = lanes
    if isinstance(instruction.operands.get("reduce_res"), AccessPattern):
        written["reduce_res"] = lanes
    return written


def _affine_select(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    """Elements outside the affine mask take a constant, whatever on_true_tile holds there."""
    if "on_true_tile" not in inputs:
        return {}
    partitions, _ = _shape(instruction, "dst")
    chosen = affine_mask(instruction.attributes, partitions)
    source = _rows(inputs["on_true_tile"])
    return {"dst": np.where(chosen.reshape(source.shape), source, 0).astype(np.int32)}


def affine_mask(attributes: Mapping[str, Any], partitions: int) -> npt.NDArray[np.bool_]:
    """Which elements of an affine_select take on_true_tile: (partitions, elements), by the documented index formula."""
    value = np.zeros(1, dtype=np.int64)
    for step, count in attributes["pattern"]:
        value = (value[:, None] + np.arange(count) * int(step)).ravel()
    rows = np.arange(partitions)[:, None] * int(attributes["channel_multiplier"])
    table: npt.NDArray[Any] = rows + value + int(attributes["offset"])
    chosen: npt.NDArray[np.bool_] = _COMPARE[attributes["cmp_op"]](table, 0)
    return chosen


_COMPARE: dict[str, Callable[[Any, int], Any]] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}


def _predicated(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    """Undefined only where both the new and the old value are: which one stays is known only while running."""
    source, old = inputs.get("src"), inputs.get("dst")
    if source is None or old is None:
        return {}
    new = np.broadcast_to(_rows(source), _rows(old).shape)
    return {"dst": np.where(_rows(old) != 0, new, 0).astype(np.int32)}


def _tensor_reduce(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    return {"dst": inputs["data"].max(axis=tuple(instruction.attributes["axis"]))}


def _partition_reduce(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    return {"dst": inputs["data"].max(axis=0, keepdims=True)}


def _bn_stats(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    """Six numbers: count, mean, variance * count of the even elements, then of the odd ones. Counts need no data."""
    data = _rows(inputs["data"])
    out: Origins = np.zeros((data.shape[0], 6), dtype=np.int32)
    out[:, 1:3] = data[:, 0::2].max(axis=1, keepdims=True, initial=0)
    out[:, 4:6] = data[:, 1::2].max(axis=1, keepdims=True, initial=0)
    return {"dst": out}


def _bn_aggr(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    row = _rows(inputs["data"]).max(axis=1, keepdims=True)
    return {"dst": np.repeat(row, _shape(instruction, "dst")[1], axis=1)}


def _scan(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    """Each element depends on all before it in its partition."""
    step = _elementwise("data0", "data1")(instruction, inputs)["dst"]
    if "initial" in inputs:
        step = np.maximum(step, _rows(inputs["initial"]))
    return {"dst": np.maximum.accumulate(step, axis=1)}


def _transpose(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    return {"dst": _rows(inputs["data"]).T}


def _matmul(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    """dst[m, n] depends on column m of stationary, column n of moving, and its old content when it accumulates."""
    out: Origins = np.zeros(_shape(instruction, "dst"), dtype=np.int32)
    rows, columns = out.shape
    stationary, moving = inputs.get("stationary"), inputs.get("moving")
    transposes = bool(instruction.attributes.get("is_transpose"))
    # In transpose mode one operand is an identity matrix and the other passes through: each element goes to one place.
    if transposes and stationary is not None and moving is None:
        out = np.maximum(out, _rows(stationary).T)
    elif transposes and moving is not None and stationary is None:
        out = np.maximum(out, _rows(moving))
    else:
        # In double_row mode the first free dimension, of length 2, is contracted as well.
        if stationary is not None:
            out = np.maximum(out, stationary.reshape(-1, rows).max(axis=0)[:, None])
        if moving is not None:
            out = np.maximum(out, moving.reshape(-1, columns).max(axis=0)[None, :])
    if "dst" in inputs:
        kept = _rows(inputs["dst"])
        flag = instruction.attributes.get("accumulate")
        if isinstance(flag, np.ndarray):
            kept = np.where(flag.reshape(kept.shape) != 0, kept, 0)
        out = np.maximum(out, kept)
    return {"dst": out}


def _stream_shuffle(instruction: Instruction, inputs: Inputs) -> dict[str, Origins]:
    """Row i of each quadrant takes row mask[i] of the same quadrant of src, or stays as it is."""
    shape = _shape(instruction, "dst")
    old = inputs.get("dst")
    out: Origins = np.zeros(shape, dtype=np.int32) if old is None else _rows(old).copy()
    source = _rows(inputs["src"]) if "src" in inputs else None
    for row in range(shape[0]):
        chosen = instruction.attributes["shuffle_mask"][row % _QUADRANT]
        if chosen == SHUFFLE_KEEP:
            continue
        out[row] = 0
        if source is not None:
            wanted = row - row % _QUADRANT + chosen
            if wanted < len(source):
                out[row] = source[wanted]
    return {"dst": out}


_RULES: dict[str, Callable[[Instruction, Inputs], dict[str, Origins]]] = {
    "dma_copy": _copy_in_order,
    "tensor_copy": _copy_in_order,
    "tensor_tensor": _elementwise("data1", "data2"),
    "tensor_scalar": _elementwise("data", "operand0", "operand1"),
    "scalar_tensor_tensor": _elementwise("data", "operand0", "operand1"),
    "reciprocal": _elementwise("data"),
    "activation": _activation,
    "activation_reduce": _activation,
    "affine_select": _affine_select,
    "tensor_copy_predicated": _predicated,
    "tensor_reduce": _tensor_reduce,
    "tensor_partition_reduce": _partition_reduce,
    "bn_stats": _bn_stats,
    "bn_aggr": _bn_aggr,
    "tensor_tensor_scan": _scan,
    "nc_transpose": _transpose,
    "nc_matmul": _matmul,
    "nc_stream_shuffle": _stream_shuffle,
}
