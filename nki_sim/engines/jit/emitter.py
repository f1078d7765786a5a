"""Emitter: the primitives every lowering is made of: loops, variables, and loads and stores of 16 lanes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from nki_sim.engines.jit import types
from nki_sim.engines.jit.loops import LANES
from nki_sim.engines.jit.types import BYTE, FLOAT, INT32, INT64, POINTER
from nki_sim.program.dtypes import DType


class Variable:
    """A value that changes inside loops; becomes an SSA value when optimised."""

    def __init__(self, builder: ir.IRBuilder, slot: ir.Value, kind: ir.Type) -> None:
        self._builder = builder
        self._slot = slot
        self._kind = kind

    def get(self) -> ir.Value:
        return self._builder.load(self._slot, typ=self._kind)

    def set(self, value: ir.Value) -> None:
        self._builder.store(value, self._slot)


class Emitter:
    """A function under construction: its entry block keeps the variables, `builder` stands where code goes."""

    def __init__(self, function: ir.Function) -> None:
        self.function = function
        self._entry = function.append_basic_block("entry")
        self._body = function.append_basic_block("body")
        self._allocas = ir.IRBuilder(self._entry)
        self.builder = ir.IRBuilder(self._body)

    @contextmanager
    def unlikely(self, condition: ir.Value) -> Iterator[None]:
        """Code that runs only when `condition` (i1) holds; it may end in a return."""
        inside = self.function.append_basic_block("if")
        after = self.function.append_basic_block("after")
        self.builder.cbranch(condition, inside, after)
        self.builder.position_at_end(inside)
        yield
        if not self.builder.block.is_terminated:
            self.builder.branch(after)
        self.builder.position_at_end(after)

    def offset(self, pointer: ir.Value, nbytes: ir.Value) -> ir.Value:
        return self.builder.gep(pointer, [nbytes], source_etype=BYTE)

    def variable(self, initial: ir.Value) -> Variable:
        """A mutable value, set to `initial` here."""
        variable = Variable(self.builder, self._allocas.alloca(initial.type), initial.type)
        variable.set(initial)
        return variable

    @contextmanager
    def loop(self, count: int | ir.Value, start: int = 0, step: int = 1) -> Iterator[ir.Value]:
        """``for index in range(start, count, step)``, index as i64. A single pass makes no loop; `count` >= 1
        passes."""
        if isinstance(count, int) and count <= start + step:
            yield INT64(start)
            return
        limit = INT64(count) if isinstance(count, int) else count
        before = self.builder.block
        head = self.function.append_basic_block("loop")
        after = self.function.append_basic_block("after")
        self.builder.branch(head)
        self.builder.position_at_end(head)
        index = self.builder.phi(INT64)
        index.add_incoming(INT64(start), before)
        yield index
        following = self.builder.add(index, INT64(step), flags=("nsw",))
        index.add_incoming(following, self.builder.block)
        self.builder.cbranch(self.builder.icmp_signed("<", following, limit), head, after)
        self.builder.position_at_end(after)

    def load_element(self, pointer: ir.Value, dtype: DType) -> ir.Value:
        """One element as fp32."""
        bits = self.builder.load(pointer, typ=ir.IntType(8 * dtype.itemsize), align=1)
        if dtype.class32:
            return self.builder.bitcast(bits, FLOAT)
        vector = types.widen(self.builder, types.splat(self.builder, bits, LANES), dtype)
        return self.builder.extract_element(vector, INT32(0))

    def store_element(self, pointer: ir.Value, value: ir.Value, dtype: DType) -> None:
        """fp32 `value`, rounded to `dtype`."""
        bits = types.narrow(self.builder, types.splat(self.builder, value, LANES), dtype)
        self.builder.store(self.builder.extract_element(bits, INT32(0)), pointer, align=1)

    def load_bits(self, pointer: ir.Value, itemsize: int, stride: int, count: int = LANES) -> ir.Value:
        """`count` elements `stride` bytes apart as <16 x iN>; zeros behind them."""
        element = ir.IntType(8 * itemsize)
        vector = ir.VectorType(element, LANES)
        if stride == 0:
            return types.splat(self.builder, self.builder.load(pointer, typ=element, align=1), LANES)
        if stride == itemsize and count == LANES:
            return self.builder.load(pointer, typ=vector, align=1)
        if stride == itemsize and count > 1:
            name = f"llvm.masked.load.v{LANES}i{8 * itemsize}.p0"
            load = types.intrinsic(self.builder, name, vector, [POINTER, INT32, types.MASK, vector])
            return self.builder.call(load, [pointer, INT32(1), types.lane_mask(count), ir.Constant(vector, None)])
        result: ir.Value = ir.Constant(vector, None)
        for lane in range(count):
            place = self.offset(pointer, INT64(lane * stride)) if lane else pointer
            bits = self.builder.load(place, typ=element, align=1)
            result = self.builder.insert_element(result, bits, INT32(lane))
        return result

    def store_bits(self, pointer: ir.Value, bits: ir.Value, stride: int, count: int = LANES) -> None:
        """The first `count` lanes of <16 x iN>, `stride` bytes apart, in lane order."""
        itemsize = bits.type.element.width // 8
        if stride == itemsize and count == LANES:
            self.builder.store(bits, pointer, align=1)
        elif stride == itemsize and count > 1:
            name = f"llvm.masked.store.v{LANES}i{8 * itemsize}.p0"
            kinds = [bits.type, POINTER, INT32, types.MASK]
            store = types.intrinsic(self.builder, name, ir.VoidType(), kinds)
            self.builder.call(store, [bits, pointer, INT32(1), types.lane_mask(count)])
        else:
            for lane in range(count):
                place = self.offset(pointer, INT64(lane * stride)) if lane else pointer
                self.builder.store(self.builder.extract_element(bits, INT32(lane)), place, align=1)

    def load_index(self, pointer: ir.Value, dtype: DType) -> ir.Value:
        """An integer element as i64."""
        bits = self.builder.load(pointer, typ=ir.IntType(8 * dtype.itemsize), align=1)
        if dtype.is_float:
            vector = types.widen(self.builder, types.splat(self.builder, bits, LANES), dtype)
            return self.builder.fptosi(self.builder.extract_element(vector, INT32(0)), INT64)
        return self.builder.sext(bits, INT64) if dtype.kind == "int" else self.builder.zext(bits, INT64)
