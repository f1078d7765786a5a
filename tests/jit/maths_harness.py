"""Compile the vector maths on their own: one loop per function over plain arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir

from nki_sim.engines.jit import maths
from nki_sim.engines.jit.host import host
from nki_sim.engines.jit.types import FLOAT, INT64, POINTER

Float32 = npt.NDArray[np.float32]


class VectorMaths:
    """Every function of the vector maths, compiled for vectors of `lanes` floats (1: plain floats)."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        module = ir.Module()
        for name in maths.UNARY:
            self._loop(module, name, lambda builder, x, _, name=name: maths.unary(builder, name, x))
        self._loop(module, "power", maths.power)
        this = host()
        parsed = binding.parse_assembly(str(module))
        parsed.verify()
        target = binding.Target.from_triple(this.triple)
        machine = target.create_target_machine(cpu=this.cpu, features=this.features, opt=2)
        passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=2))
        passes.getModulePassManager().run(parsed, passes)
        self._engine = binding.create_mcjit_compiler(parsed, machine)
        self._engine.finalize_object()

    def _loop(self, module: ir.Module, name: str, emit: Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]) -> None:
        kinds = [POINTER, POINTER, POINTER, INT64]
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), f"loop_{name}")
        entry, body, done = (function.append_basic_block(label) for label in ("entry", "body", "done"))
        ir.IRBuilder(entry).branch(body)
        builder = ir.IRBuilder(body)
        kind = ir.VectorType(FLOAT, self._lanes) if self._lanes > 1 else FLOAT
        index = builder.phi(INT64)
        places = [builder.gep(pointer, [index], source_etype=FLOAT) for pointer in function.args[:3]]
        x, y = (builder.load(place, typ=kind, align=4) for place in places[:2])
        builder.store(emit(builder, x, y), places[2], align=4)
        following = builder.add(index, INT64(self._lanes))
        index.add_incoming(INT64(0), entry)
        index.add_incoming(following, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, function.args[3]), body, done)
        ir.IRBuilder(done).ret_void()

    def __call__(self, name: str, x: Float32, y: Float32 | None = None) -> Float32:
        """Function `name` of every element of x (and y)."""
        size = x.size
        padded = np.zeros((3, -(-size // self._lanes) * self._lanes), np.float32)
        padded[0, :size] = x
        padded[1, :size] = 0.0 if y is None else y
        address = self._engine.get_function_address(f"loop_{name}")
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)
        call(*(row.ctypes.data for row in padded), padded.shape[1])
        return padded[2, :size].copy()
