"""Translate: functions of a small, typed part of Python, as the text of an LLVM module.

What is understood: integers of 64 bits, booleans, lists of integers or objects that never change their length, and
objects of dataclasses with such fields, which are never given back one by one; assignments, `if`, `while`, `for` over
a range, arithmetic, comparisons, `is`, calls of each other. Everything is typed by its annotation or first value. What
is not understood raises NotUnderstood, so that compiled code means what Python means.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

Kind = Any
"""int, bool, None, a dataclass, or list[int] and the like."""

CONTEXT_WORDS = 3
"""A context is three addresses: of the free memory, of its end, and of a function that gives more of it."""

_WORD = 8
_COMPARED = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge"}
_ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul"}

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

declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
"""


class NotUnderstood(TypeError):
    """A piece of Python outside of the part that is translated."""


def module_text(functions: Sequence[Callable[..., Any]]) -> str:
    """The module of `functions`, all of them callable from outside with the address of a context before all else."""
    signatures = {function.__name__: typing.get_type_hints(function) for function in functions}
    return _HEAD + "\n".join(_Function(function, signatures).text() for function in functions)


@cache
def _fields(owner: type) -> Mapping[str, tuple[int, Kind, Any]]:
    """By name of a field: its place, kind and default."""
    hints = typing.get_type_hints(owner)
    fields = dataclasses.fields(owner)
    return {one.name: (place, _plain(hints[one.name]), one.default) for place, one in enumerate(fields)}


def _plain(kind: Kind) -> Kind:
    """The kind without its `| None`."""
    origin: Any = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind


def _llvm(kind: Kind) -> str:
    if kind is int:
        return "i64"
    if kind is bool:
        return "i1"
    return "ptr"


def _returned(kind: Kind) -> str:
    return "void" if kind is type(None) else _llvm(_plain(kind))


def _stored(kind: Kind) -> str:
    """As `_llvm`, in memory."""
    return "i8" if kind is bool else _llvm(kind)


class _Function:
    """One function on its way to text. Values are (kind, LLVM's name for it)."""

    def __init__(self, function: Callable[..., Any], signatures: Mapping[str, Mapping[str, Kind]]) -> None:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        self._tree = tree
        self._globals = function.__globals__
        self._signatures = signatures
        self._kinds: dict[str, Kind] = {}
        self._lines: list[str] = []
        self._entry: list[str] = []
        self._count = 0
        self._loops: list[tuple[str, str]] = []
        self._returned = signatures[tree.name].get("return", type(None))

    def text(self) -> str:
        hints = self._signatures[self._tree.name]
        names = [argument.arg for argument in self._tree.args.args]
        for name in names:
            self._declare(name, _plain(hints[name]))
            self._add(f"store {_llvm(self._kinds[name])} %{name}.in, ptr %{name}")
        self._body(self._tree.body)
        if self._open():
            if self._returned is not type(None):
                self._add("unreachable")
            else:
                self._add("ret void")
        given = ", ".join(["ptr %context", *(f"{_llvm(self._kinds[name])} %{name}.in" for name in names)])
        head = f"define {_returned(self._returned)} @{self._tree.name}({given}) {{\nentry:\n"
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
        self._entry.append(f"%{name} = alloca {_llvm(kind)}")

    def _no(self, node: ast.AST, why: str = "") -> NotUnderstood:
        return NotUnderstood(f"{self._tree.name}: {ast.unparse(node)} {why}")

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
                self._declare(node.target.id, _plain(hint))
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
                kind, value = self._value(node.value)
                self._add(f"ret {_llvm(kind)} {value}")
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
        kind, name = value
        if isinstance(target, ast.Name):
            if target.id not in self._kinds:
                if kind is type(None):
                    raise self._no(target, "needs an annotation")
                self._declare(target.id, kind)
            self._fits(target, kind, self._kinds[target.id])
            self._add(f"store {_llvm(self._kinds[target.id])} {name}, ptr %{target.id}")
            return
        wanted, place = self._place(target)
        self._fits(target, kind, wanted)
        if wanted is bool:
            name = self._new(f"zext i1 {name} to i8")
        self._add(f"store {_stored(wanted)} {name}, ptr {place}")

    def _fits(self, node: ast.AST, kind: Kind, wanted: Kind) -> None:
        if kind != wanted and not (kind is type(None) and _llvm(wanted) == "ptr"):
            raise self._no(node, f"is a {wanted}, not a {kind}")

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
        elif isinstance(node, ast.Name):
            if node.id in self._kinds:
                kind = self._kinds[node.id]
                return kind, self._new(f"load {_llvm(kind)}, ptr %{node.id}")
            if isinstance(self._globals.get(node.id), int):
                return int, str(int(self._globals[node.id]))
        elif isinstance(node, (ast.Attribute, ast.Subscript)):
            kind, place = self._place(node)
            value = self._new(f"load {_stored(kind)}, ptr {place}")
            return kind, self._new(f"trunc i8 {value} to i1") if kind is bool else value
        elif isinstance(node, ast.BinOp):
            return self._arithmetic(node, node.op, self._value(node.left), self._value(node.right))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return int, self._new(f"sub i64 0, {self._integer(node.operand)}")
        elif isinstance(node, ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
            return self._chosen(node, bool, lambda: (bool, "true"), lambda: (bool, "false"))
        elif isinstance(node, ast.IfExp):
            return self._chosen(node.test, None, lambda: self._value(node.body), lambda: self._value(node.orelse))
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            return bool, self._compared(node)
        elif isinstance(node, ast.Call) and not node.keywords:
            if isinstance(node.func, ast.Attribute):
                return bool, self._asked(node)
            if isinstance(node.func, ast.Name):
                return self._called(node, node.func.id)
        raise self._no(node)

    def _integer(self, node: ast.expr) -> str:
        kind, value = self._value(node)
        if kind is not int:
            raise self._no(node, "is no integer")
        return value

    def _arithmetic(
        self, node: ast.AST, operator: ast.operator, one: tuple[Kind, str], other: tuple[Kind, str]
    ) -> tuple[Kind, str]:
        if one[0] is not int or other[0] is not int:
            raise self._no(node, "is not of integers")
        if isinstance(operator, ast.FloorDiv):
            return int, self._new(f"call i64 @floor_divide(i64 {one[1]}, i64 {other[1]})")
        if type(operator) not in _ARITHMETIC:
            raise self._no(node)
        return int, self._new(f"{_ARITHMETIC[type(operator)]} i64 {one[1]}, {other[1]}")

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
            self._add(f"store {_llvm(made)} {value}, ptr {place}")
            self._add(f"br label %{after}")
        self._entry.append(f"{place} = alloca {_llvm(kind)}")
        self._lines.append(f"{after}:")
        return kind, self._new(f"load {_llvm(kind)}, ptr {place}")

    def _compared(self, node: ast.Compare) -> str:
        (one, name), (other, second) = self._value(node.left), self._value(node.comparators[0])
        operator = node.ops[0]
        if isinstance(operator, (ast.Is, ast.IsNot)):
            if _llvm(one) != "ptr":
                raise self._no(node)
            return self._new(f"icmp {'eq' if isinstance(operator, ast.Is) else 'ne'} ptr {name}, {second}")
        if one is not int or other is not int or type(operator) not in _COMPARED:
            raise self._no(node)
        return self._new(f"icmp {_COMPARED[type(operator)]} i64 {name}, {second}")

    def _place(self, node: ast.expr) -> tuple[Kind, str]:
        """(kind, address) of a field or of a member of a list."""
        if isinstance(node, ast.Attribute):
            owner, address = self._value(node.value)
            place, kind, _ = _fields(owner)[node.attr]
            return kind, self._new(f"getelementptr i8, ptr {address}, i64 {_WORD * place}")
        if isinstance(node, ast.Subscript):
            owner, address = self._value(node.value)
            origin: Any = typing.get_origin(owner)
            if origin is not list:
                raise self._no(node)
            kind = _plain(typing.get_args(owner)[0])
            return kind, self._new(f"getelementptr i64, ptr {address}, i64 {self._integer(node.slice)}")
        raise self._no(node)

    def _called(self, node: ast.Call, name: str) -> tuple[Kind, str]:
        if name in ("min", "max") and len(node.args) == 2:
            one, other = (self._integer(argument) for argument in node.args)
            return int, self._new(f"call i64 @llvm.s{name}.i64(i64 {one}, i64 {other})")
        if name in self._signatures:
            hints = dict(self._signatures[name])
            returned = _plain(hints.pop("return", type(None)))
            given = ["ptr %context"]
            for argument, wanted in zip(node.args, hints.values(), strict=True):
                kind, value = self._value(argument)
                self._fits(argument, kind, _plain(wanted))
                given.append(f"{_llvm(_plain(wanted))} {value}")
            call = f"call {_returned(returned)} @{name}({', '.join(given)})"
            if returned is type(None):
                self._add(call)
                return returned, ""
            return returned, self._new(call)
        made = self._globals.get(name)
        if isinstance(made, type) and dataclasses.is_dataclass(made):
            return made, self._made(node, made)
        raise self._no(node)

    def _asked(self, node: ast.Call) -> str:
        """The answer of a Python function in a field, which takes integers and says yes or no."""
        _, address = self._value(node.func)
        values = ", ".join(f"i64 {self._integer(argument)}" for argument in node.args)
        return self._new(f"icmp ne i64 {self._new(f'call i64 {address}({values})')}, 0")

    def _made(self, node: ast.Call, made: type) -> str:
        """A new object."""
        fields = list(_fields(made).values())
        values = [self._value(argument) for argument in node.args]
        values += [self._value(ast.Constant(default)) for _, _, default in fields[len(values) :]]
        address = self._new(f"call ptr @allocate(ptr %context, i64 {_WORD * len(fields)})")
        for (place, wanted, _), (kind, value) in zip(fields, values, strict=True):
            self._fits(node, kind, wanted)
            at = self._new(f"getelementptr i8, ptr {address}, i64 {_WORD * place}")
            if wanted is bool:
                value = self._new(f"zext i1 {value} to i8")
            self._add(f"store {_stored(wanted)} {value}, ptr {at}")
        return address
