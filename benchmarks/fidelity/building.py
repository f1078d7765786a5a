"""Micro-programs: a few instructions put together by hand and timed, without a kernel around them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType, float32
from nki_sim.program.ir import Instruction, Program, TensorDecl
from nki_sim.targets import Number, Target, load
from nki_sim.timing import simulate
from nki_sim.timing.timeline import Rows, Timeline

TABLE_LOAD = 5


class Micro:
    """A program in the making for one target; every method that issues an instruction returns its destination."""

    def __init__(self, target: str = "trn2") -> None:
        self.target: Target = load(target)
        self.program = Program(name="micro", target=target)

    def tile(self, elements: int, *, space: str = "sbuf", dtype: DType = float32, partitions: int = 128) -> TensorDecl:
        return self._tensor("psum" if space == "psum" else "sbuf", (partitions, elements), dtype, "local")

    def hbm(self, rows: int, elements: int, *, dtype: DType = float32, output: bool = False) -> TensorDecl:
        return self._tensor("hbm", (rows, elements), dtype, "output" if output else "input")

    def issue(self, op: str, engine: str, operands: dict[str, Any], /, **attributes: Any) -> None:
        patterns = {name: o.whole() if isinstance(o, TensorDecl) else o for name, o in operands.items()}
        self.program.body.append(Instruction(op, patterns, attributes, engine))

    def matmul(self, dst: TensorDecl, stationary: TensorDecl, moving: TensorDecl) -> TensorDecl:
        flags = {"is_stationary_onezero": False, "is_moving_onezero": False, "is_transpose": False}
        tiles = {"dst": dst, "stationary": stationary, "moving": moving}
        self.issue(
            "nc_matmul", "tensor", tiles, accumulate=False, perf_mode=None, tile_position=(), tile_size=(), **flags
        )
        return dst

    def transpose(self, dst: TensorDecl, data: TensorDecl | AccessPattern) -> TensorDecl:
        self.issue("nc_transpose", "tensor", {"dst": dst, "data": data}, engine="tensor")
        return dst

    def copy(self, dst: TensorDecl, src: TensorDecl, engine: str = "vector") -> TensorDecl:
        self.issue("tensor_copy", engine, {"dst": dst, "src": src}, engine=engine)
        return dst

    def activate(
        self, dst: TensorDecl, data: TensorDecl, op: str = "exp", bias: TensorDecl | None = None
    ) -> TensorDecl:
        operands = {"dst": dst, "data": data, "bias": bias, "scale": 1.0, "reduce_res": None}
        self.issue("activation", "scalar", operands, op=op, reduce_op=None, reduce_cmd="idle")
        return dst

    def reduce(self, dst: TensorDecl, data: TensorDecl) -> TensorDecl:
        self.issue(
            "tensor_reduce", "vector", {"dst": dst, "data": data}, op="maximum", axis=(1,), negate=False, keepdims=False
        )
        return dst

    def scale(self, dst: TensorDecl, data: TensorDecl, by: TensorDecl) -> TensorDecl:
        ways = {"op0": "multiply", "op1": None, "reverse0": False, "reverse1": False, "engine": "vector"}
        self.issue("tensor_scalar", "vector", {"dst": dst, "data": data, "operand0": by, "operand1": None}, **ways)
        return dst

    def reciprocal(self, dst: TensorDecl, data: TensorDecl) -> TensorDecl:
        self.issue("reciprocal", "vector", {"dst": dst, "data": data})
        return dst

    def add(self, dst: TensorDecl, one: TensorDecl, other: TensorDecl) -> TensorDecl:
        self.issue("tensor_tensor", "vector", {"dst": dst, "data1": one, "data2": other}, op="add", engine="vector")
        return dst

    def move(self, dst: Any, src: Any, mode: str = "unknown", engine: str = "unknown") -> None:
        self.issue("dma_copy", "dma", {"dst": dst, "src": src}, oob_mode="error", dge_mode=mode, engine=engine)

    def run(self) -> Timeline:
        return simulate(self.program, None, self.target)

    def _tensor(
        self,
        space: Literal["hbm", "sbuf", "psum"],
        shape: tuple[int, ...],
        dtype: DType,
        role: Literal["input", "output", "local"],
    ) -> TensorDecl:
        made = TensorDecl(
            index=len(self.program.tensors),
            name="",
            space=space,
            buffer="shared_hbm" if space == "hbm" else space,
            shape=shape,
            dtype=dtype,
            role=role,
        )
        self.program.tensors.append(made)
        return made


def at_phase(target: Target, phase_ns: float) -> Target:
    """The target with the clock's first window ending `phase_ns` after the start."""
    numbers = {section: dict(entries) for section, entries in target.numbers.items()}
    shift = phase_ns - target["clock_gate.window_ns"]
    numbers["clock_gate"]["phase_ns"] = Number("clock_gate.phase_ns", shift, "ns", "chosen by the caller")
    return Target(target.name, target.title, target.generation, numbers)


def instructions(timeline: Timeline, lane: str) -> Rows:
    """The rows of an engine, without table loads."""
    rows = timeline.lane(lane)
    kept: Rows = rows[rows["kind"] != TABLE_LOAD]
    return kept


def interval_ns(rows: Rows) -> float:
    """Typical start to start."""
    return float(np.median(np.diff(rows["start_ns"])))


def duration_ns(rows: Rows) -> float:
    """Typical start to completion."""
    return float(np.median(rows["end_ns"] - rows["start_ns"]))
