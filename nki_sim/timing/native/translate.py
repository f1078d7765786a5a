"""Translate: functions of a small, typed part of Python, as the text of an LLVM module.

What is understood: integers of 64 bits, floats, booleans, lists of them or of objects that never change their length,
and objects of dataclasses with such fields, which are never given back one by one; assignments, `if`, `while`, `for`
over a range, arithmetic, comparisons, `is`, calls of functions and methods. Everything is typed by its annotation or
first value. What is not understood raises NotUnderstood, so that compiled code means what Python means.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nki_sim.timing.native.kinds import (
    Kind,
    NotUnderstood,
    Signature,
    exact,
    fields_of,
    llvm,
    plain,
    returned_as,
    signature_of,
    stored_as,
)

CONTEXT_WORDS = 3
"""A context is three addresses: of the free memory, of its end, and of a function that gives more of it."""

_WORD = 8
# By kind, then by Python's operator.
_COMPARED: Mapping[Kind, Mapping[type[ast.cmpop], str]] = {
    int: {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge"},
    float: {ast.Eq: "oeq", ast.NotEq: "une", ast.Lt: "olt", ast.LtE: "ole", ast.Gt: "ogt", ast.GtE: "oge"},
}
_ARITHMETIC: Mapping[Kind, Mapping[type[ast.operator], str]] = {
    int: {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and", ast.RShift: "ashr"},
    float: {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"},
}

_HEAD = f"""
define internal ptr @allocate(ptr %context, i64 %size) {{
  %next = load ptr, ptr %context
  %after = getelementptr i8, ptr %next, i64 %size
  %end_at = getelementptr i8, ptr %context, i64 {_WORD}
  %end = load ptr, ptr %end_at
  %fits = icmp ule ptr %after, %end
  br i1 %fits, label %take, label %ask
take:
  store ptr %after, ptr %context
  ret ptr %next
ask:
  %more_at = getelementptr i8, ptr %context, i64 {2 * _WORD}
  %more = load ptr, ptr %more_at
  %given = call ptr %more(i64 %size)
  ret ptr %given
}}

define internal i64 @floor_divide(i64 %one, i64 %other) {{
  %quotient = sdiv i64 %one, %other
  %rest = srem i64 %one, %other
  %signs = xor i64 %rest, %other
  %apart = icmp slt i64 %signs, 0
  %some = icmp ne i64 %rest, 0
  %lower = and i1 %apart, %some
  %less = sext i1 %lower to i64
  %floor = add i64 %quotient, %less
  ret i64 %floor
}}
"""


def module_text(functions: Sequence[Callable[..., Any]]) -> str:
    """The module of `functions` and methods, all callable from outside with the address of a context before all else.

    A function's name is that of its definition, with the class before a method's.
    """
    signatures = {function.__qualname__: signature_of(function) for function in functions}
    return _HEAD + "\n".join(_Function(function, signatures).text() for function in functions)


class _Function:
    """One function on its way to text. Values are (kind, LLVM's name for it)."""

    def __init__(self, function: Callable[..., Any], signatures: Mapping[str, Signature]) -> None:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        self._tree = tree
        self._name = function.__qualname__
        self._globals = function.__globals__
        self._signatures = signatures
        self._kinds: dict[str, Kind] = {}
        self._lines: list[str] = []
        self._entry: list[str] = []
        self._count = 0
        self._loops: list[tuple[str, str]] = []
        self._signature = signatures[self._name]

    def text(self) -> str:
        names = list(self._signature.arguments)
        for name, kind in self._signature.arguments.items():
            self._declare(name, kind)
            self._add(f"store {llvm(self._kinds[name])} %{name}.in, ptr %{name}")
        self._body(self._tree.body)
        if self._open():
            self._add("ret void" if self._signature.returned is type(None) else "unreachable")
        given = ", ".join(["ptr %context", *(f"{llvm(self._kinds[name])} %{name}.in" for name in names)])
        head = f"define {returned_as(self._signature.returned)} @{self._name}({given}) {{\nentry:\n"
        return head + "\n".join(f"  {line}" for line in self._entry + self._lines) + "\n}\n"

    # -- writing ---------------------------------------------------------------------------------------------------

    def _add(self, line: str) -> None:
        self._lines.append(line)

    def _new(self, line: str) -> str:
        """The name of a new value."""
        self._count += 1
        self._add(f"%v{self._count} = {line}")
        return f"%v{self._count}"

    def _label(self) -> str:
        self._count += 1
        return f"b{self._count}"

    def _block(self, label: str) -> None:
        """Begin a block; the one before it goes on into it."""
        if self._open():
            self._add(f"br label %{label}")
        self._lines.append(f"{label}:")

    def _open(self) -> bool:
        """Whether the block at hand has not been left yet."""
        last = self._lines[-1] if self._lines else ""
        return not last.startswith(("br ", "ret ", "unreachable"))

    def _declare(self, name: str, kind: Kind) -> None:
        self._kinds[name] = kind
        self._entry.append(f"%{name} = alloca {llvm(kind)}")

    def _no(self, node: ast.AST, why: str = "") -> NotUnderstood:
        return NotUnderstood(f"{self._name}: {ast.unparse(node)} {why}")

    # -- statements ------------------------------------------------------------------------------------------------

    def _body(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            if not self._open():
                return
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._assign(node.targets[0], self._value(node.value))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            if node.target.id not in self._kinds:
                hint = eval(ast.unparse(node.annotation), self._globals)
                self._declare(node.target.id, plain(hint))
            self._assign(node.target, self._value(node.value))
        elif isinstance(node, ast.AugAssign):
            read = ast.copy_location(ast.parse(ast.unparse(node.target), mode="eval").body, node)
            self._assign(node.target, self._arithmetic(node, node.op, self._value(read), self._value(node.value)))
        elif isinstance(node, ast.If):
            self._if(node)
        elif isinstance(node, ast.While) and not node.orelse:
            self._while(node)
        elif isinstance(node, ast.For) and not node.orelse:
            self._for(node)
        elif isinstance(node, ast.Return):
            if node.value is None:
                self._add("ret void")
            else:
                value = self._fitting(node, self._value(node.value), self._signature.returned)
                self._add(f"ret {llvm(self._signature.returned)} {value}")
        elif isinstance(node, ast.Break):
            self._add(f"br label %{self._loops[-1][1]}")
        elif isinstance(node, ast.Continue):
            self._add(f"br label %{self._loops[-1][0]}")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self._value(node.value)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) and not isinstance(
            node, (ast.Pass, ast.Assert)
        ):
            raise self._no(node)

    def _assign(self, target: ast.expr, value: tuple[Kind, str]) -> None:
        if isinstance(target, ast.Name):
            if target.id not in self._kinds:
                if value[0] is type(None):
                    raise self._no(target, "needs an annotation")
                self._declare(target.id, value[0])
            wanted, place = self._kinds[target.id], f"%{target.id}"
            self._add(f"store {llvm(wanted)} {self._fitting(target, value, wanted)}, ptr {place}")
        else:
            wanted, place = self._place(target)
            self._store(self._fitting(target, value, wanted), wanted, place)

    def _store(self, name: str, kind: Kind, place: str) -> None:
        """Into a field or a member of a list."""
        if kind is bool:
            name = self._new(f"zext i1 {name} to i8")
        self._add(f"store {stored_as(kind)} {name}, ptr {place}")

    def _fitting(self, node: ast.AST, value: tuple[Kind, str], wanted: Kind) -> str:
        """The value where a `wanted` is needed."""
        kind, name = value
        if kind is int and wanted is float:
            return self._as_float(value)
        if kind != wanted and not (kind is type(None) and llvm(wanted) == "ptr"):
            raise self._no(node, f"is a {wanted}, not a {kind}")
        return name

    def _if(self, node: ast.If) -> None:
        then, other, after = self._label(), self._label(), self._label()
        self._branch(node.test, then, other)
        self._lines.append(f"{then}:")
        self._body(node.body)
        if self._open():
            self._add(f"br label %{after}")
        self._lines.append(f"{other}:")
        self._body(node.orelse)
        if self._open():
            self._add(f"br label %{after}")
        if any(line.endswith(f"label %{after}") for line in self._lines):
            self._lines.append(f"{after}:")

    def _while(self, node: ast.While) -> None:
        test, body, after = self._label(), self._label(), self._label()
        self._block(test)
        self._branch(node.test, body, after)
        self._loop(body, node.body, test, after)

    def _for(self, node: ast.For) -> None:
        call = node.iter
        if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "range" and isinstance(node.target, ast.Name)):
            raise self._no(node)
        bounds = [self._value(argument)[1] for argument in call.args]
        start, stop = bounds if len(bounds) == 2 else ["0", bounds[0]]
        # The counter is apart, as Python's loop variable may be changed and stays as it was after the loop.
        counter = f"%for{self._count}"
        self._entry.append(f"{counter} = alloca i64")
        self._add(f"store i64 {start}, ptr {counter}")
        test, body, step, after = self._label(), self._label(), self._label(), self._label()
        self._block(test)
        now = self._new(f"load i64, ptr {counter}")
        self._add(f"br i1 {self._new(f'icmp slt i64 {now}, {stop}')}, label %{body}, label %{after}")
        self._lines.append(f"{body}:")
        self._assign(node.target, (int, now))
        self._loops.append((step, after))
        self._body(node.body)
        self._loops.pop()
        self._block(step)
        self._add(f"store i64 {self._new(f'add i64 {now}, 1')}, ptr {counter}")
        self._add(f"br label %{test}")
        self._lines.append(f"{after}:")

    def _loop(self, body: str, statements: Sequence[ast.stmt], again: str, after: str) -> None:
        self._lines.append(f"{body}:")
        self._loops.append((again, after))
        self._body(statements)
        self._loops.pop()
        if self._open():
            self._add(f"br label %{again}")
        self._lines.append(f"{after}:")

    def _branch(self, test: ast.expr, yes: str, no: str) -> None:
        """Go to `yes` or `no`, as far as it takes to know."""
        if isinstance(test, ast.BoolOp):
            for part in test.values[:-1]:
                go_on = self._label()
                if isinstance(test.op, ast.And):
                    self._branch(part, go_on, no)
                else:
                    self._branch(part, yes, go_on)
                self._lines.append(f"{go_on}:")
            self._branch(test.values[-1], yes, no)
        elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self._branch(test.operand, no, yes)
        else:
            kind, value = self._value(test)
            if kind is not bool:
                raise self._no(test, "is no boolean")
            self._add(f"br i1 {value}, label %{yes}, label %{no}")

    # -- values ----------------------------------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> tuple[Kind, str]:
        if isinstance(node, ast.Constant):
            if node.value is None:
                return type(None), "null"
            if isinstance(node.value, bool):
                return bool, str(node.value).lower()
            if isinstance(node.value, int):
                return int, str(node.value)
            if isinstance(node.value, float):
                return float, exact(node.value)
        elif isinstance(node, ast.Name):
            if node.id in self._kinds:
                kind = self._kinds[node.id]
                return kind, self._new(f"load {llvm(kind)}, ptr %{node.id}")
            known = self._globals.get(node.id)
            if isinstance(known, (int, float)):
                return self._value(ast.Constant(known))
        elif isinstance(node, (ast.Attribute, ast.Subscript)):
            kind, place = self._place(node)
            value = self._new(f"load {stored_as(kind)}, ptr {place}")
            return kind, self._new(f"trunc i8 {value} to i1") if kind is bool else value
        elif isinstance(node, ast.BinOp):
            return self._arithmetic(node, node.op, self._value(node.left), self._value(node.right))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            kind, value = self._value(node.operand)
            if kind is float:
                return float, self._new(f"fneg double {value}")
            return int, self._new(f"sub i64 0, {self._fitting(node, (kind, value), int)}")
        elif isinstance(node, ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
            return self._chosen(node, bool, lambda: (bool, "true"), lambda: (bool, "false"))
        elif isinstance(node, ast.IfExp):
            return self._chosen(node.test, None, lambda: self._value(node.body), lambda: self._value(node.orelse))
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            return bool, self._compared(node)
        elif isinstance(node, ast.Call) and not node.keywords:
            return self._called(node)
        raise self._no(node)

    def _integer(self, node: ast.expr) -> str:
        return self._fitting(node, self._value(node), int)

    def _as_float(self, value: tuple[Kind, str]) -> str:
        return self._new(f"sitofp i64 {value[1]} to double") if value[0] is int else value[1]

    def _numbers(self, node: ast.AST, one: tuple[Kind, str], other: tuple[Kind, str]) -> tuple[Kind, str, str]:
        """The kind that two numbers have in common, and both in it."""
        kinds = {one[0], other[0]}
        if kinds == {int}:
            return int, one[1], other[1]
        if not kinds <= {int, float}:
            raise self._no(node, "is not of numbers")
        return float, self._as_float(one), self._as_float(other)

    def _arithmetic(
        self, node: ast.AST, operator: ast.operator, one: tuple[Kind, str], other: tuple[Kind, str]
    ) -> tuple[Kind, str]:
        kind, first, second = self._numbers(node, one, other)
        if kind is int and isinstance(operator, ast.FloorDiv):
            return int, self._new(f"call i64 @floor_divide(i64 {first}, i64 {second})")
        if type(operator) not in _ARITHMETIC[kind]:
            raise self._no(node)
        return kind, self._new(f"{_ARITHMETIC[kind][type(operator)]} {llvm(kind)} {first}, {second}")

    def _chosen(
        self, test: ast.expr, kind: Kind, yes: Callable[[], tuple[Kind, str]], no: Callable[[], tuple[Kind, str]]
    ) -> tuple[Kind, str]:
        """One of two values."""
        then, other, after = self._label(), self._label(), self._label()
        place = f"%{after}.value"
        self._branch(test, then, other)
        for label, make in ((then, yes), (other, no)):
            self._lines.append(f"{label}:")
            made, value = make()
            kind = made if kind is None or kind is type(None) else kind
            self._add(f"store {llvm(made)} {value}, ptr {place}")
            self._add(f"br label %{after}")
        self._entry.append(f"{place} = alloca {llvm(kind)}")
        self._lines.append(f"{after}:")
        return kind, self._new(f"load {llvm(kind)}, ptr {place}")

    def _compared(self, node: ast.Compare) -> str:
        (one, name), (other, second) = self._value(node.left), self._value(node.comparators[0])
        operator = node.ops[0]
        if isinstance(operator, (ast.Is, ast.IsNot)):
            if llvm(one) != "ptr":
                raise self._no(node)
            return self._new(f"icmp {'eq' if isinstance(operator, ast.Is) else 'ne'} ptr {name}, {second}")
        kind, first, second = self._numbers(node, (one, name), (other, second))
        if type(operator) not in _COMPARED[kind]:
            raise self._no(node)
        return self._new(
            f"{'icmp' if kind is int else 'fcmp'} {_COMPARED[kind][type(operator)]} {llvm(kind)} {first}, {second}"
        )

    def _place(self, node: ast.expr) -> tuple[Kind, str]:
        """(kind, address) of a field or of a member of a list."""
        if isinstance(node, ast.Attribute):
            owner, address = self._value(node.value)
            place, kind, _ = fields_of(owner)[node.attr]
            return kind, self._new(f"getelementptr i8, ptr {address}, i64 {_WORD * place}")
        if isinstance(node, ast.Subscript):
            owner, address = self._value(node.value)
            origin: Any = typing.get_origin(owner)
            if origin is not list:
                raise self._no(node)
            kind = plain(typing.get_args(owner)[0])
            return kind, self._new(f"getelementptr i64, ptr {address}, i64 {self._integer(node.slice)}")
        raise self._no(node)

    def _called(self, node: ast.Call) -> tuple[Kind, str]:
        if isinstance(node.func, ast.Attribute):
            owner, address = self._value(node.func.value)
            if node.func.attr in fields_of(owner):
                return bool, self._asked(node)
            return self._call(node, f"{owner.__name__}.{node.func.attr}", [(owner, address)])
        name = ast.unparse(node.func)
        if name in ("min", "max") and len(node.args) == 2:
            kind, one, other = self._numbers(node, *(self._value(argument) for argument in node.args))
            # As Python: the first unless the second is beyond it.
            compare = f"{'icmp' if kind is int else 'fcmp'} {_COMPARED[kind][ast.Lt if name == 'min' else ast.Gt]}"
            beyond = self._new(f"{compare} {llvm(kind)} {other}, {one}")
            return kind, self._new(f"select i1 {beyond}, {llvm(kind)} {other}, {llvm(kind)} {one}")
        if name == "int" and len(node.args) == 1:
            return int, self._new(f"fptosi double {self._as_float(self._value(node.args[0]))} to i64")
        made = self._globals.get(name)
        if isinstance(made, type) and dataclasses.is_dataclass(made):
            return made, self._made(node, made)
        return self._call(node, name, [])

    def _call(self, node: ast.Call, name: str, values: list[tuple[Kind, str]]) -> tuple[Kind, str]:
        """Call a translated function with `values` before the arguments of the call."""
        if name not in self._signatures:
            raise self._no(node)
        signature = self._signatures[name]
        values = values + [self._value(argument) for argument in node.args]
        kinds = signature.arguments.values()
        given = [f"{llvm(k)} {self._fitting(node, v, k)}" for v, k in zip(values, kinds, strict=True)]
        call = f"call {returned_as(signature.returned)} @{name}({', '.join(['ptr %context', *given])})"
        if signature.returned is type(None):
            self._add(call)
            return signature.returned, ""
        return signature.returned, self._new(call)

    def _asked(self, node: ast.Call) -> str:
        """The answer of a Python function in a field, which takes integers and says yes or no."""
        _, address = self._value(node.func)
        values = ", ".join(f"i64 {self._integer(argument)}" for argument in node.args)
        return self._new(f"icmp ne i64 {self._new(f'call i64 {address}({values})')}, 0")

    def _made(self, node: ast.Call, made: type) -> str:
        """A new object."""
        fields = list(fields_of(made).values())
        values = [self._value(argument) for argument in node.args]
        values += [self._value(ast.Constant(default)) for _, _, default in fields[len(values) :]]
        address = self._new(f"call ptr @allocate(ptr %context, i64 {_WORD * len(fields)})")
        for (place, wanted, _), value in zip(fields, values, strict=True):
            at = self._new(f"getelementptr i8, ptr {address}, i64 {_WORD * place}")
            self._store(self._fitting(node, value, wanted), wanted, at)
        return address
