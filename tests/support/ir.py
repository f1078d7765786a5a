"""Programs built by hand for the tests of checks/ and memory/: one short call per tensor, instruction and loop.

Every call records the line it stands on, so that findings point into the test that made them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nki_sim.program.access import AccessPattern, DynamicOffset, contiguous_dims
from nki_sim.program.dtypes import DType, float32
from nki_sim.program.ir import Instruction, Item, Loop, Program, Register, TensorDecl

ENGINES = {"dma_copy": "dma", "nc_matmul": "tensor", "nc_transpose": "tensor", "activation": "scalar"}


class Build:
    """A program in the making; `program` is ready at any time."""

    def __init__(self, target: str = "trn2") -> None:
        self.program = Program(name="built", target=target)
        self._bodies: list[list[Item]] = [self.program.body]
        self._position = 0

    # -- tensors -----------------------------------------------------------------------------------------------------

    def tensor(
        self,
        space: str,
        shape: tuple[int, ...],
        dtype: DType = float32,
        *,
        name: str = "",
        role: str = "local",
        address: tuple[int, int] | None = None,
    ) -> TensorDecl:
        made = TensorDecl(
            index=len(self.program.tensors),
            name=name,
            space=space,  # type: ignore[arg-type]
            buffer="shared_hbm" if space == "hbm" else space,
            shape=shape,
            dtype=dtype,
            role=role,  # type: ignore[arg-type]
            address=address,
            site=self._site(),
            position=self._position,
            depth=len(self._bodies) - 1,
        )
        self.program.tensors.append(made)
        if role == "input":
            self.program.inputs.append(made)
        if role == "output":
            self.program.outputs.append(made)
            self.program.returns = "one" if len(self.program.outputs) == 1 else "tuple"
        return made

    def sbuf(self, *shape: int, **fields: Any) -> TensorDecl:
        return self.tensor("sbuf", shape, **fields)

    def psum(self, *shape: int, **fields: Any) -> TensorDecl:
        return self.tensor("psum", shape, **fields)

    def input(self, *shape: int, **fields: Any) -> TensorDecl:
        return self.tensor("hbm", shape, role="input", **fields)

    def output(self, *shape: int, **fields: Any) -> TensorDecl:
        return self.tensor("hbm", shape, role="output", **fields)

    # -- instructions ------------------------------------------------------------------------------------------------

    def emit(self, op: str, /, *, engine: str = "", **fields: Any) -> Instruction:
        """Tensors and patterns among `fields` are operands (a tensor stands for all of it), so are registers, operand
        names with numbers and dst; the rest are attributes."""
        operands: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        for key, value in fields.items():
            if isinstance(value, TensorDecl):
                operands[key] = value.whole()
            elif isinstance(value, (AccessPattern, Register)) or key in (
                "src",
                "operand0",
                "operand1",
                "bias",
                "scale",
            ):
                operands[key] = value
            else:
                attributes[key] = value
        made = Instruction(op, operands, attributes, engine or ENGINES.get(op, "vector"), self._site())
        self._bodies[-1].append(made)
        self._position += 1
        return made

    def copy(self, dst: Any, src: Any) -> Instruction:
        chip = all(part(x).space != "hbm" for x in (dst, src))
        return self.emit("tensor_copy" if chip else "dma_copy", dst=dst, src=src)

    def memset(self, dst: Any, value: float = 0.0) -> Instruction:
        return self.emit("memset", dst=dst, value=value)

    def matmul(self, dst: Any, stationary: Any, moving: Any, accumulate: Any = None, **fields: Any) -> Instruction:
        return self.emit("nc_matmul", dst=dst, stationary=stationary, moving=moving, accumulate=accumulate, **fields)

    # -- loops and registers -----------------------------------------------------------------------------------------

    def register(self, name: str = "") -> Register:
        made = Register(len(self.program.registers), name)
        self.program.registers.append(made)
        return made

    @contextmanager
    def loop(self, stop: int | Register, start: int = 0) -> Iterator[Register]:
        counter = self.register("loop")
        made = Loop(register=counter, start=start, stop=stop, site=self._site(3))
        self._bodies[-1].append(made)
        self._bodies.append(made.body)
        yield counter
        self._bodies.pop()

    def _site(self, depth: int = 1) -> int:
        """The nearest frame outside this file."""
        frame = sys._getframe(depth)
        while frame.f_code.co_filename == __file__ or frame.f_code.co_filename.endswith("contextlib.py"):
            assert frame.f_back is not None
            frame = frame.f_back
        return self.program.sites.add((id(frame.f_code), frame.f_lasti), [frame.f_code])


def part(tensor: Any, rows: slice | None = None, columns: slice | None = None) -> AccessPattern:
    """A rectangle of a 2-D tensor; a pattern comes back as it is."""
    if isinstance(tensor, AccessPattern):
        return tensor
    height, width = tensor.shape
    top, bottom, _ = (rows or slice(None)).indices(height)
    left, right, step = (columns or slice(None)).indices(width)
    count = len(range(left, right, step))
    if tensor.space == "hbm":
        return AccessPattern(tensor, tensor.dtype, None, top * width + left, ((width, bottom - top), (step, count)))
    return AccessPattern(tensor, tensor.dtype, (top, 1, bottom - top), left, ((step, count),))


def at_register(pattern: AccessPattern, register: Register, multiplier: int, limit: int) -> AccessPattern:
    return pattern.replace(dynamic=DynamicOffset(register, multiplier, limit))


def whole(tensor: TensorDecl) -> AccessPattern:
    return tensor.whole()


__all__ = ["Build", "at_register", "contiguous_dims", "part", "whole"]
