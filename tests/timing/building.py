"""Programs built by hand for the timing tests: tensors from tests.support.ir, instructions with explicit operands."""

from __future__ import annotations

import sys
from typing import Any

from nki_sim.program.access import AccessPattern
from nki_sim.program.dtypes import DType, float32
from nki_sim.program.ir import Instruction, TensorDecl
from tests.support.ir import Build, part


class Timed(Build):
    """A program in the making, with one short method per instruction the tests time."""

    def add(self, name: str, unit: str, operands: dict[str, Any], /, **attributes: Any) -> Instruction:
        patterns = {key: value.whole() if isinstance(value, TensorDecl) else value for key, value in operands.items()}
        made = Instruction(name, patterns, attributes, unit, self._issued_from())
        self._bodies[-1].append(made)
        return made

    def _issued_from(self) -> int:
        """The nearest frame outside of this object."""
        frame = sys._getframe(1)
        while frame.f_locals.get("self") is self and frame.f_back is not None:
            frame = frame.f_back
        return self.program.sites.add((id(frame.f_code), frame.f_lasti), [frame.f_code])

    def product(self, dst: Any, stationary: Any, moving: Any, **attributes: Any) -> Instruction:
        plain = {"is_transpose": False, "accumulate": False, "perf_mode": None, **attributes}
        plain |= {"is_stationary_onezero": False, "is_moving_onezero": False, "tile_position": (), "tile_size": ()}
        operands = {"dst": dst, "stationary": stationary, "moving": moving}
        return self.add("nc_matmul", "tensor", operands, **plain)

    def transpose(self, dst: Any, data: Any) -> Instruction:
        return self.add("nc_transpose", "tensor", {"dst": dst, "data": data}, engine="tensor")

    def move(self, dst: Any, src: Any, *, mode: str = "unknown", engine: str = "unknown") -> Instruction:
        return self.add("dma_copy", "dma", {"dst": dst, "src": src}, oob_mode="error", dge_mode=mode, engine=engine)

    def tensor_copy(self, dst: Any, src: Any, engine: str = "vector") -> Instruction:
        return self.add("tensor_copy", engine, {"dst": dst, "src": src}, engine=engine)

    def act(self, dst: Any, data: Any, function: str = "exp", bias: Any = None) -> Instruction:
        operands = {"dst": dst, "data": data, "bias": bias, "scale": 1.0, "reduce_res": None}
        return self.add("activation", "scalar", operands, op=function, reduce_op=None, reduce_cmd="idle")

    def by_vector(self, dst: Any, data: Any, operand0: Any) -> Instruction:
        operands = {"dst": dst, "data": data, "operand0": operand0, "operand1": None}
        return self.add("tensor_scalar", "vector", operands, op0="multiply", reverse0=False, op1=None, reverse1=False)

    def reduce(self, dst: Any, data: Any) -> Instruction:
        return self.add("tensor_reduce", "vector", {"dst": dst, "data": data}, op="maximum", axis=(1,), negate=False)

    def reciprocal(self, dst: Any, data: Any) -> Instruction:
        return self.add("reciprocal", "vector", {"dst": dst, "data": data})


def tiled_matmul(M: int, K: int, N: int, dtype: DType, target: str = "trn2") -> Timed:
    """lhsT [K, M] and rhs [K, N] tile by tile: two loads per matmul, one copy and one store per result."""
    build = Timed(target)
    left, right = build.input(K, M, dtype=dtype, name="lhsT"), build.input(K, N, dtype=dtype, name="rhs")
    result = build.output(M, N, dtype=dtype, name="result")
    for m in range(M // 128):
        for n in range(N // 512):
            total = build.psum(128, 512, dtype=float32, name="sum")
            columns = slice(n * 512, n * 512 + 512)
            for k in range(K // 128):
                rows = slice(k * 128, k * 128 + 128)
                stationary, moving = build.sbuf(128, 128, dtype=dtype), build.sbuf(128, 512, dtype=dtype)
                build.move(stationary, part(left, rows, slice(m * 128, m * 128 + 128)))
                build.move(moving, part(right, rows, columns))
                build.product(total, stationary, moving, accumulate=k > 0)
            out = build.sbuf(128, 512, dtype=dtype, name="out")
            build.tensor_copy(out, total)
            build.move(part(result, slice(m * 128, m * 128 + 128), columns), out)
    return build


def first_fit(build: Build, slots: int = 4) -> dict[int, tuple[int, int]]:
    """A placement that rotates the tensors of each shape through `slots` places, so that addresses are used again."""
    places: dict[int, tuple[int, int]] = {}
    groups: dict[tuple[str, tuple[int, ...], str], list[int]] = {}
    cursor = {"sbuf": 0, "psum": 0}
    for tensor in build.program.tensors:
        if tensor.space == "hbm":
            continue
        room = groups.setdefault((tensor.space, tensor.shape, str(tensor.dtype)), [])
        if len(room) < slots:
            room.append(cursor[tensor.space])
            cursor[tensor.space] += tensor.bytes_per_partition
            places[tensor.index] = (0, room[-1])
        else:
            room.append(room.pop(0))
            places[tensor.index] = (0, room[-1])
    return places


__all__ = ["AccessPattern", "Timed", "first_fit", "part", "tiled_matmul"]
