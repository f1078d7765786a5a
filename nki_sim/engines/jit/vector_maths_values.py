"""Lanes: an LLVM vector (or scalar) of floats with operators, so that formulas in the vector maths read as formulas."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

FLOAT = ir.FloatType()
DOUBLE = ir.DoubleType()
_BITS = {FLOAT: ir.IntType(32), DOUBLE: ir.IntType(64)}

# Adding 1.5 * 2**52 rounds a double of moderate size to an integer and leaves that integer in the low bits of the sum.
ROUNDER = 6755399441055744.0
ROUNDER_BITS = 0x4338000000000000


def element_type(value_type: ir.Type) -> ir.Type:
    """The type of one lane."""
    return value_type.element if isinstance(value_type, ir.VectorType) else value_type


def like(value_type: ir.Type, element: ir.Type) -> ir.Type:
    """A type of as many lanes as `value_type` whose lanes are `element`."""
    return ir.VectorType(element, value_type.count) if isinstance(value_type, ir.VectorType) else element


def splat(value_type: ir.Type, number: float | int) -> ir.Constant:
    """`number` in every lane."""
    if isinstance(value_type, ir.VectorType):
        return ir.Constant(value_type, [ir.Constant(value_type.element, number)] * value_type.count)
    return ir.Constant(value_type, number)


def intrinsic(builder: ir.IRBuilder, name: str, *arguments: ir.Value) -> ir.Value:
    """Call the LLVM intrinsic `name`, all of whose arguments and whose result have one type."""
    kind = arguments[0].type
    letters = {FLOAT: "f32", DOUBLE: "f64"}[element_type(kind)]
    suffix = f"v{kind.count}{letters}" if isinstance(kind, ir.VectorType) else letters
    full_name = f"{name}.{suffix}"
    module = builder.module
    function = module.globals.get(full_name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(kind, [kind] * len(arguments)), full_name)
    return builder.call(function, arguments)


class Lanes:
    """A value of type float, double or a vector of them, together with the builder that computes with it.

    Operators take Lanes of the same type or Python numbers. Comparisons give LLVM booleans (one per lane), ordered:
    with a NaN they are false. Python's `==` stays identity.
    """

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    @property
    def type(self) -> ir.Type:
        return self.value.type

    def of(self, other: Lanes | float) -> ir.Value:
        """`other` as an LLVM value of this type."""
        return other.value if isinstance(other, Lanes) else splat(self.type, float(other))

    def constant(self, number: float) -> Lanes:
        return Lanes(self.builder, splat(self.type, number))

    def __add__(self, other: Lanes | float) -> Lanes:
        return Lanes(self.builder, self.builder.fadd(self.value, self.of(other)))

    def __radd__(self, other: float) -> Lanes:
        return Lanes(self.builder, self.builder.fadd(self.of(other), self.value))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return Lanes(self.builder, self.builder.fsub(self.value, self.of(other)))

    def __rsub__(self, other: float) -> Lanes:
        return Lanes(self.builder, self.builder.fsub(self.of(other), self.value))

    def __mul__(self, other: Lanes | float) -> Lanes:
        return Lanes(self.builder, self.builder.fmul(self.value, self.of(other)))

    def __rmul__(self, other: float) -> Lanes:
        return Lanes(self.builder, self.builder.fmul(self.of(other), self.value))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return Lanes(self.builder, self.builder.fdiv(self.value, self.of(other)))

    def __rtruediv__(self, other: float) -> Lanes:
        return Lanes(self.builder, self.builder.fdiv(self.of(other), self.value))

    def __neg__(self) -> Lanes:
        return Lanes(self.builder, self.builder.fneg(self.value))

    def __lt__(self, other: Lanes | float) -> ir.Value:
        return self.builder.fcmp_ordered("<", self.value, self.of(other))

    def __le__(self, other: Lanes | float) -> ir.Value:
        return self.builder.fcmp_ordered("<=", self.value, self.of(other))

    def __gt__(self, other: Lanes | float) -> ir.Value:
        return self.builder.fcmp_ordered(">", self.value, self.of(other))

    def __ge__(self, other: Lanes | float) -> ir.Value:
        return self.builder.fcmp_ordered(">=", self.value, self.of(other))

    def equals(self, other: Lanes | float) -> ir.Value:
        return self.builder.fcmp_ordered("==", self.value, self.of(other))

    def is_nan(self) -> ir.Value:
        return self.builder.fcmp_unordered("uno", self.value, self.value)

    def fma(self, factor: Lanes | float, addend: Lanes | float) -> Lanes:
        """self * factor + addend, rounded once."""
        return Lanes(self.builder, intrinsic(self.builder, "llvm.fma", self.value, self.of(factor), self.of(addend)))

    def sqrt(self) -> Lanes:
        return Lanes(self.builder, intrinsic(self.builder, "llvm.sqrt", self.value))

    def floor(self) -> Lanes:
        return Lanes(self.builder, intrinsic(self.builder, "llvm.floor", self.value))

    def magnitude(self) -> Lanes:
        return Lanes(self.builder, intrinsic(self.builder, "llvm.fabs", self.value))

    def odd(self, of: Lanes) -> Lanes:
        """self, negated where `of` is negative (or -0): the odd continuation of a function computed for |of|."""
        return Lanes(self.builder, self.builder.select(of.is_negative(), (-self).value, self.value))

    def is_negative(self) -> ir.Value:
        """Whether the sign bit is set."""
        bits = self.bits()
        return self.builder.icmp_signed("<", bits, splat(bits.type, 0))

    def at_least(self, low: float) -> Lanes:
        """The greater of the two; a NaN stays."""
        return self.where(self < low, low)

    def at_most(self, high: float) -> Lanes:
        """The smaller of the two; a NaN stays."""
        return self.where(self > high, high)

    def where(self, condition: ir.Value, replacement: Lanes | float) -> Lanes:
        """`replacement` in the lanes where `condition` holds, self elsewhere."""
        return Lanes(self.builder, self.builder.select(condition, self.of(replacement), self.value))

    def widened(self) -> Lanes:
        """float lanes as double lanes."""
        return Lanes(self.builder, self.builder.fpext(self.value, like(self.type, DOUBLE)))

    def narrowed(self) -> Lanes:
        """double lanes rounded to float lanes."""
        return Lanes(self.builder, self.builder.fptrunc(self.value, like(self.type, FLOAT)))

    def bits(self) -> ir.Value:
        """The same bits as integers."""
        return self.builder.bitcast(self.value, like(self.type, _BITS[element_type(self.type)]))

    def from_bits(self, bits: ir.Value) -> Lanes:
        """Integers as lanes of this type, bit for bit."""
        return Lanes(self.builder, self.builder.bitcast(bits, self.type))

    def polynomial(self, coefficients: Sequence[float]) -> Lanes:
        """The polynomial with these coefficients, lowest power first, by Horner's rule with fused multiply-adds."""
        result = self.constant(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            result = result.fma(self, coefficient)
        return result
