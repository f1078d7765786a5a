"""The operators of the instruction set as vector IR: fp32, 32-bit integer and bit-pattern, and reductions.

Meanings are those of instructions/operators.py, found independently: IEEE 754-2019 maximum and minimum, abs_max and
abs_min that keep the sign, logical shifts that give 0 from the width on, integers that wrap. Sums and products reduce
in double and round once, so that they depend neither on the host nor on the order.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from nki_sim.engines.jit import types
from nki_sim.engines.jit.loops import LANES
from nki_sim.engines.jit.types import FLOAT, INT32, INT64, constant

BITVEC = frozenset({"invert", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"})
UNARY = frozenset({"abs", "square", "relu", "rsqrt", "reciprocal", "invert"})
_ORDERED = {"equal": "==", "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<="}
_LOGICAL = {"logical_and": "and_", "logical_or": "or_", "logical_xor": "xor"}
COMPARISONS = frozenset({*_ORDERED, "not_equal", *_LOGICAL})
INTEGER = frozenset({"add", "subtract", "multiply", "maximum", "minimum", "abs_max", "abs_min", *COMPARISONS})


def _pair(builder: ir.IRBuilder, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """A two-operand intrinsic on float or double vectors."""
    width = 32 if x.type.element == FLOAT else 64
    function = types.intrinsic(builder, f"llvm.{name}.v{x.type.count}f{width}", x.type, [x.type, x.type])
    return builder.call(function, [x, y])


def compare(builder: ir.IRBuilder, op: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """A comparison or logical operator on fp32 vectors, as a vector of bits."""
    if op in _LOGICAL:
        zero = constant(x.type, 0.0)
        left, right = builder.fcmp_unordered("!=", x, zero), builder.fcmp_unordered("!=", y, zero)
        return getattr(builder, _LOGICAL[op])(left, right)
    if op == "not_equal":
        return builder.fcmp_unordered("!=", x, y)
    return builder.fcmp_ordered(_ORDERED[op], x, y)


def compare_integers(builder: ir.IRBuilder, op: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """The same on signed integer vectors."""
    if op in _LOGICAL:
        zero = constant(x.type, 0)
        left, right = builder.icmp_signed("!=", x, zero), builder.icmp_signed("!=", y, zero)
        return getattr(builder, _LOGICAL[op])(left, right)
    return builder.icmp_signed("!=" if op == "not_equal" else _ORDERED[op], x, y)


def absolute(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """|x| of fp32 vectors."""
    return types.call_unary(builder, "fabs", x)


def unary(builder: ir.IRBuilder, op: str, x: ir.Value) -> ir.Value:
    """An arithmetic operator of one argument."""
    if op == "abs":
        return absolute(builder, x)
    if op == "square":
        return builder.fmul(x, x)
    if op == "relu":
        return _pair(builder, "maximum", x, constant(x.type, 0.0))
    if op == "reciprocal":
        return builder.fdiv(constant(x.type, 1.0), x)
    if op == "rsqrt":
        from nki_sim.engines.jit import maths

        return maths.unary(builder, "rsqrt", x)
    raise NotImplementedError(f"no lowering of operator {op}")


def arithmetic(builder: ir.IRBuilder, op: str, x: ir.Value, y: ir.Value | None, reverse: bool = False) -> ir.Value:
    """`x op y` on fp32 vectors, `y op x` when reversed; unary operators look at x only."""
    if op in UNARY:
        return unary(builder, op, x)
    assert y is not None
    left, right = (y, x) if reverse else (x, y)
    if op in COMPARISONS:
        return builder.uitofp(compare(builder, op, left, right), left.type)
    if op == "power":
        from nki_sim.engines.jit import maths

        return maths.power(builder, left, right)
    if op == "add":
        return builder.fadd(left, right)
    if op == "subtract":
        return builder.fsub(left, right)
    if op == "multiply":
        return builder.fmul(left, right)
    if op in ("maximum", "minimum"):
        return _pair(builder, op, left, right)
    if op in ("abs_max", "abs_min"):
        sign = ">" if op == "abs_max" else "<"
        return builder.select(
            builder.fcmp_ordered(sign, absolute(builder, left), absolute(builder, right)), left, right
        )
    raise NotImplementedError(f"no lowering of operator {op}")


def integer_arithmetic(builder: ir.IRBuilder, op: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """`x op y` on <n x i64> values of 32-bit integers; the low 32 bits are the result, comparisons give 1 or 0."""
    if op in COMPARISONS:
        return builder.zext(compare_integers(builder, op, x, y), x.type)
    if op in ("add", "subtract", "multiply"):
        name = {"add": "add", "subtract": "sub", "multiply": "mul"}[op]
        return getattr(builder, name)(x, y)
    if op in ("maximum", "minimum"):
        return builder.select(builder.icmp_signed(">" if op == "maximum" else "<", x, y), x, y)
    if op in ("abs_max", "abs_min"):
        sizes = []
        for value in (x, y):
            negative = builder.icmp_signed("<", value, constant(value.type, 0))
            sizes.append(builder.select(negative, builder.sub(constant(value.type, 0), value), value))
        return builder.select(builder.icmp_signed(">" if op == "abs_max" else "<", *sizes), x, y)
    raise NotImplementedError(f"no lowering of integer operator {op}")


def bitvec(
    builder: ir.IRBuilder, op: str, x: ir.Value, y: ir.Value | None, width: int, reverse: bool = False
) -> ir.Value:
    """`x op y` on bit patterns held in <n x i32>; `width` is the number of bits that count in x and the result."""
    mask = constant(x.type, (1 << width) - 1 if width < 32 else -1)
    if op == "invert":
        return builder.and_(builder.not_(x), mask)
    assert y is not None
    left, right = (y, x) if reverse else (x, y)
    if op in ("left_shift", "right_shift"):
        shift = builder.shl if op == "left_shift" else builder.lshr
        large = builder.icmp_unsigned(">=", right, constant(x.type, width))
        # A shift by 32 or more has no meaning in LLVM, so the amount is made small before it is overruled.
        moved = shift(left, builder.and_(right, constant(x.type, 31)))
        result = builder.select(large, constant(x.type, 0), moved)
    else:
        result = getattr(builder, {"bitwise_and": "and_", "bitwise_or": "or_", "bitwise_xor": "xor"}[op])(left, right)
    return builder.and_(result, mask)


# The keys of -inf and inf, see _order.
_LOWEST, _HIGHEST = -0x7F800001, 0x7F800000


def _order(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    """Float patterns as integers in the order of the floats (-0 below 0), and back: the same step undoes itself."""
    negative = builder.ashr(bits, constant_like(bits.type, 31))
    return builder.xor(bits, builder.and_(negative, constant_like(bits.type, 0x7FFFFFFF)))


def constant_like(kind: ir.Type, number: int) -> ir.Constant:
    """`number` as an integer or in every lane of a vector of them."""
    return constant(kind, number) if isinstance(kind, ir.VectorType) else ir.Constant(kind, number)


class Reduction:
    """How an operator folds many fp32 elements into one.

    start    the vector accumulator's first value
    take     accumulator with one more vector of elements taken in
    fold     accumulator -> one fp32 value
    fill     what idle lanes have to hold: the identity
    """

    def __init__(self, op: str) -> None:
        self.op = {"max": "maximum", "min": "minimum", "mean": "average"}.get(op, op)
        self.double = self.op in ("add", "multiply", "subtract", "average")
        self.bits = self.op in BITVEC
        self.logical = self.op in _LOGICAL
        # As integers that order as the floats do: one short instruction instead of a chain of six.
        self.ordered = self.op in ("maximum", "minimum")

    @property
    def element(self) -> ir.Type:
        if self.double:
            return ir.DoubleType()
        return INT32 if self.bits or self.logical or self.ordered else FLOAT

    @property
    def fill(self) -> float | int:
        """The identity, of the type `take` receives."""
        if self.op == "multiply" or self.op == "logical_and":
            return 1.0
        if self.op in ("maximum", "minimum"):
            return float("-inf") if self.op == "maximum" else float("inf")
        if self.op == "bitwise_and":
            return -1
        return 0 if self.bits else 0.0

    def start(self, lanes: int = LANES) -> ir.Constant:
        fill: Any = self.fill
        if self.logical:
            fill = int(fill)
        if self.ordered:
            fill = _LOWEST if self.op == "maximum" else _HIGHEST
        return constant(ir.VectorType(self.element, lanes), fill)

    def take(self, builder: ir.IRBuilder, accumulator: ir.Value, values: ir.Value) -> ir.Value:
        """`values`: <n x float>, or <n x i32> for bitwise operators."""
        if self.double:
            return self.combine(builder, accumulator, builder.fpext(values, accumulator.type))
        if self.logical:
            truth = builder.fcmp_unordered("!=", values, constant(values.type, 0.0))
            return self.combine(builder, accumulator, builder.zext(truth, accumulator.type))
        if self.ordered:
            # A NaN wins: it becomes the largest or the smallest of all.
            nan = constant(values.type, float("nan"))
            winner = nan if self.op == "maximum" else builder.fneg(nan)
            values = builder.select(builder.fcmp_unordered("uno", values, values), winner, values)
            return self.combine(builder, accumulator, _order(builder, builder.bitcast(values, accumulator.type)))
        return self.combine(builder, accumulator, values)

    def combine(self, builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        """Two accumulators into one."""
        if self.op in ("add", "subtract", "average"):
            return builder.fadd(x, y)
        if self.op == "multiply":
            return builder.fmul(x, y)
        if self.ordered:
            above = builder.icmp_signed(">" if self.op == "maximum" else "<", x, y)
            return builder.select(above, x, y)
        name = self.op.removeprefix("logical_").removeprefix("bitwise_")
        return getattr(builder, {"and": "and_", "or": "or_", "xor": "xor"}[name])(x, y)

    def fold(self, builder: ir.IRBuilder, accumulator: ir.Value) -> ir.Value:
        """The lanes of an accumulator into one, halving."""
        lanes = accumulator.type.count
        while lanes > 1:
            half = lanes // 2
            undefined = ir.Constant(accumulator.type, ir.Undefined)
            low = ir.Constant(ir.VectorType(INT32, half), list(range(half)))
            high = ir.Constant(ir.VectorType(INT32, half), list(range(half, lanes)))
            accumulator = self.combine(
                builder,
                builder.shuffle_vector(accumulator, undefined, low),
                builder.shuffle_vector(accumulator, undefined, high),
            )
            lanes = half
        return builder.extract_element(accumulator, INT32(0))

    def result(self, builder: ir.IRBuilder, total: ir.Value, first: ir.Value | None = None, count: int = 1) -> ir.Value:
        """The fp32 (or i32 pattern) result from a folded accumulator or a vector of them.

        first   the first element as fp32, for subtract: it counts once positively
        count   number of elements, for average
        """
        kind: ir.Type = FLOAT if not isinstance(total.type, ir.VectorType) else ir.VectorType(FLOAT, total.type.count)
        if self.logical:
            return builder.uitofp(total, kind)
        if self.ordered:
            return builder.bitcast(_order(builder, total), kind)
        if not self.double:
            return total
        if self.op == "subtract":
            assert first is not None
            wide = builder.fpext(first, total.type)
            total = builder.fsub(builder.fadd(wide, wide), total)
        if self.op == "average":
            divisor: Any = float(count)
            if isinstance(total.type, ir.VectorType):
                divisor = [divisor] * total.type.count
            total = builder.fdiv(total, ir.Constant(total.type, divisor))
        return builder.fptrunc(total, kind)


def as_words(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    """Patterns of any width as <n x i32>, zeros above."""
    words = ir.VectorType(INT32, bits.type.count)
    return bits if bits.type.element.width == 32 else builder.zext(bits, words)


def from_words(builder: ir.IRBuilder, words: ir.Value, itemsize: int) -> ir.Value:
    """The low bits of <n x i32> as <n x iN>."""
    return words if itemsize == 4 else builder.trunc(words, ir.VectorType(ir.IntType(8 * itemsize), words.type.count))


def as_wide(builder: ir.IRBuilder, bits: ir.Value, signed: bool) -> ir.Value:
    """32-bit integers as <n x i64>."""
    wide = ir.VectorType(INT64, bits.type.count)
    return builder.sext(bits, wide) if signed else builder.zext(bits, wide)
