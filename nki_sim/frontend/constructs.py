"""Finds, in one walk over a definition's tree, every construct that some dialect has an opinion about.

Only what the text shows is found here; what a construct means in a dialect stands in dialect_rules.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lark import Token, Tree

from nki_sim.frontend.source import SourceUnit
from nki_sim.frontend.tree import Node, dotted, last_name, part, subtrees, tokens, walk

DEVICE_LOOP_CALLS = frozenset(("fori_loop", "while_loop"))
_SINGLETONS = frozenset(("None", "True", "False"))
_PLAIN_DECORATORS = frozenset(("staticmethod", "dataclass", "jit", "kernel"))
_PLAIN_BASES = frozenset(("NKIObject", "Enum", "NamedTuple"))
# tests of a `while` that yield a Python bool whatever their operands are, so that no register is tested
_NOT_A_REGISTER = frozenset(
    ("comparison", "not_operation", "and_operation", "or_operation", "constant", "number", "string", "conditional")
)


@dataclass(frozen=True)
class Construct:
    """One occurrence. `subject` completes the message of its rule."""

    kind: str
    where: Node | Token
    subject: str = ""


@dataclass(frozen=True)
class _Loop:
    dynamic: bool
    counter: str = ""


@dataclass(frozen=True)
class _Context:
    """Where a node stands: loops of its own function around it, functions of this unit around it."""

    loops: tuple[_Loop, ...] = ()
    no_reorder: bool = False
    depth: int = 0
    registers: frozenset[str] = frozenset()


def find(unit: SourceUnit) -> list[Construct]:
    """All constructs of the unit, in the order of its text. Raises what `SourceUnit.definition` raises."""
    definition = unit.definition
    if definition is None:
        return []
    found: list[Construct] = []
    if definition.data == "class_definition":
        found.extend(_class_header(definition))
    else:
        found.extend(_signature(definition, unit.entry))
        found.extend(_decorators(unit))
        found.extend(_asynchronous(unit, definition))
        stack: list[tuple[Node, _Context]] = [(definition, _Context(registers=_registers(definition)))]
        while stack:
            node, context = stack.pop()
            found.extend(_here(node, context))
            stack.extend(_below(node, context))
    return sorted(found, key=_position)


def _position(construct: Construct) -> tuple[int, int]:
    at: Any = construct.where.meta if isinstance(construct.where, Tree) else construct.where
    return at.line, at.column


# ------------------------------------------------------------------------------------------------ going down the tree


def _below(node: Node, context: _Context) -> Iterator[tuple[Node, _Context]]:
    """The children of `node`, each with the context it stands in."""
    kind = node.data
    children = subtrees(node)
    if kind in ("function_definition", "lambda_expression"):
        inside = replace(context, loops=(), depth=context.depth + 1, registers=_registers(node))
        for child in children:
            if child.data in ("block",) or kind == "lambda_expression":
                yield child, inside
            elif child.data == "parameters":
                for parameter in subtrees(child):  # defaults run outside of the function, annotations mean nothing
                    default = parameter.children[-1] if parameter.data == "parameter" else None
                    if isinstance(default, Tree):
                        yield default, context
        return
    if kind == "class_definition" and context.depth > 0:
        return  # reported as a whole
    body = context
    if kind == "for_statement":
        dynamic = is_dynamic_range(node.children[1])
        counter = dotted(node.children[0]) if dynamic else ""
        body = replace(context, loops=(*context.loops, _Loop(dynamic, counter)))
    elif kind == "while_statement":
        dynamic = dotted(node.children[0]) in context.registers
        body = replace(context, loops=(*context.loops, _Loop(dynamic)))
    elif kind == "with_statement" and any(_is_no_reorder(item) for item in children if item.data == "with_item"):
        body = replace(context, no_reorder=True)
    for child in children:
        yield child, body if child.data == "block" else context


def _registers(function: Node) -> frozenset[str]:
    """Names that the function assigns a fresh register to."""
    names = set()
    for node in walk(function):
        if node.data == "assignment" and last_name(node.children[-1]) == "register_alloc":
            names |= {dotted(target) for target in node.children[:-1]}
    return frozenset(names - {""})


def is_dynamic_range(node: Any) -> bool:
    """Whether an expression is a call of `dynamic_range`."""
    return isinstance(node, Tree) and node.data == "call" and last_name(node) == "dynamic_range"


def may_test_register(test: Any) -> bool:
    """Whether the test of a `while` may be a register as it stands."""
    return isinstance(test, Tree) and test.data not in _NOT_A_REGISTER


def _is_no_reorder(with_item: Node) -> bool:
    return last_name(with_item.children[0]) == "no_reorder"


# --------------------------------------------------------------------------------------------- what a node is a case of


def _here(node: Node, context: _Context) -> Iterator[Construct]:
    kind = str(node.data)
    simple = _SIMPLE.get(kind)
    if simple is not None:
        yield Construct(simple[0], node, simple[1])
    handler = _HANDLERS.get(kind)
    if handler is not None:
        yield from handler(node, context)
    if context.loops:
        yield from _writes_to_counter(node, context)


_SIMPLE: dict[str, tuple[str, str]] = {
    "yield_expression": ("generator", "yield"),
    "yield_from": ("generator", "yield from"),
    "try_statement": ("try", "try"),
    "async_statement": ("async", "async"),
    "await_expression": ("async", "await"),
    "match_statement": ("match", "match"),
    "raise_statement": ("raise", "raise"),
    "delete_statement": ("delete", "del"),
    "import_statement": ("import", "import"),
    "import_from_statement": ("import", "import"),
    "type_statement": ("type-alias", "type"),
    "list_comprehension": ("comprehension", "a list comprehension"),
    "set_comprehension": ("comprehension", "a set comprehension"),
    "dict_comprehension": ("comprehension", "a dict comprehension"),
    "generator": ("comprehension", "a generator expression"),
    "set": ("set", "a set"),
    "assignment_expression": ("walrus", ":="),
    "starred": ("star-expansion", "*"),
    "starred_argument": ("star-expansion", "*"),
    "double_starred_argument": ("star-expansion", "**"),
    "dict_expansion": ("star-expansion", "**"),
}


def _leaves_loop(node: Node, context: _Context) -> Iterator[Construct]:
    word = str(node.data).removesuffix("_statement")
    around = context.loops if word == "return" else context.loops[-1:]
    if any(loop.dynamic for loop in around):
        yield Construct("dynamic-exit", node, word)


def _loop(node: Node, context: _Context) -> Iterator[Construct]:
    is_for = node.data == "for_statement"
    test = node.children[1 if is_for else 0]
    dynamic = is_dynamic_range(test) if is_for else dotted(test) in context.registers
    if dynamic and context.no_reorder and isinstance(test, Tree):
        yield Construct("dynamic-no-reorder", test, "nl.dynamic_range" if is_for else "while")
    otherwise = part(node, "else_clause")
    if otherwise is not None:
        yield Construct("loop-else", otherwise, "for" if is_for else "while")


def _call(node: Node, context: _Context) -> Iterator[Construct]:
    if context.no_reorder and last_name(node) in DEVICE_LOOP_CALLS:
        yield Construct("dynamic-no-reorder", node, f"nl.{last_name(node)}")


def _with(node: Node, context: _Context) -> Iterator[Construct]:
    for item in subtrees(node):
        if item.data == "with_item" and not _is_no_reorder(item):
            manager = item.children[0]
            yield Construct("with", item, last_name(manager) or "this")


def _names_from_outside(node: Node, context: _Context) -> Iterator[Construct]:
    names = ", ".join(map(str, tokens(node)))
    if node.data == "global_statement":
        yield Construct("global", node, f"global {names}")
    else:
        # depth 1 is the unit's own function: what lies around it is not part of the kernel
        yield Construct("global" if context.depth <= 1 else "nonlocal", node, f"nonlocal {names}")


def _comparison(node: Node, context: _Context) -> Iterator[Construct]:
    for number in range(1, len(node.children), 2):
        operator = node.children[number]
        words = [str(word) for word in tokens(operator)] if isinstance(operator, Tree) else []
        if words[:1] == ["is"]:
            operands = (node.children[number - 1], node.children[number + 1])
            kind = "is-constant" if any(_is_singleton(operand) for operand in operands) else "is-other"
            yield Construct(kind, node, " ".join(words))


def _is_singleton(operand: Any) -> bool:
    return isinstance(operand, Tree) and operand.data == "constant" and str(operand.children[0]) in _SINGLETONS


def _dict_entry(node: Node, context: _Context) -> Iterator[Construct]:
    key = node.children[0]
    if isinstance(key, Tree) and key.data in ("number", "constant", "tuple"):
        yield Construct("dict-key", key, {"number": "a number", "tuple": "a tuple"}.get(key.data, str(key.children[0])))


def _inner_definition(node: Node, context: _Context) -> Iterator[Construct]:
    if context.depth > 0:
        kind = "inner-class" if node.data == "class_definition" else "inner-function"
        yield Construct(kind, node.children[0], str(node.children[0]))


def _lambda(node: Node, context: _Context) -> Iterator[Construct]:
    if context.depth > 0:
        yield Construct("lambda", node, "lambda")


def _string(node: Node, context: _Context) -> Iterator[Construct]:
    for token in tokens(node):
        if token.type == "FSTRING" and has_format_spec(str(token)):
            yield Construct("format-spec", token, str(token))


def _product(node: Node, context: _Context) -> Iterator[Construct]:
    operator = node.children[1]
    if str(operator) in ("@", "@="):
        yield Construct("matrix-multiply", node, "@")
    elif isinstance(operator, Tree) and operator.data == "augmented_operator" and str(operator.children[0]) == "@=":
        yield Construct("matrix-multiply", node, "@=")


_HANDLERS = {
    "break_statement": _leaves_loop,
    "continue_statement": _leaves_loop,
    "return_statement": _leaves_loop,
    "for_statement": _loop,
    "while_statement": _loop,
    "call": _call,
    "with_statement": _with,
    "global_statement": _names_from_outside,
    "nonlocal_statement": _names_from_outside,
    "comparison": _comparison,
    "dict_entry": _dict_entry,
    "function_definition": _inner_definition,
    "class_definition": _inner_definition,
    "lambda_expression": _lambda,
    "string": _string,
    "binary_operation": _product,
    "augmented_assignment": _product,
}


def _writes_to_counter(node: Node, context: _Context) -> Iterator[Construct]:
    counters = {loop.counter for loop in context.loops if loop.counter}
    if not counters:
        return
    kind = node.data
    targets: list[Any] = []
    if kind == "assignment":
        targets = list(node.children[:-1])
    elif kind in ("augmented_assignment", "annotated_assignment", "for_statement"):
        targets = [node.children[0]]
    elif kind == "assignment_expression":
        targets = [Tree("name", [node.children[0]])]
    elif kind == "call" and last_name(node) in ("register_move", "register_load"):
        targets = [_argument(node, "dst", 0)]
    for target in targets:
        for name in _bound_names(target):
            if dotted(name) in counters:
                yield Construct("dynamic-counter", node if kind != "for_statement" else name, dotted(name))


def _bound_names(target: Any) -> Iterator[Node]:
    if isinstance(target, Tree):
        if target.data == "name":
            yield target
        elif target.data in ("tuple", "list", "starred"):
            for child in target.children:
                yield from _bound_names(child)


def _argument(call: Node, name: str, position: int) -> Any:
    arguments = subtrees(call)[1].children
    for argument in arguments:
        if isinstance(argument, Tree) and argument.data == "keyword_argument" and str(argument.children[0]) == name:
            return argument.children[1]
    return arguments[position] if len(arguments) > position else None


# ---------------------------------------------------------------------------------------------------------- definitions


def _signature(definition: Node, entry: bool) -> Iterator[Construct]:
    parameters = part(definition, "parameters")
    for parameter in subtrees(parameters) if parameters is not None else []:
        shown = {"keyword_only_mark": "*", "positional_only_mark": "/"}.get(str(parameter.data), "")
        if parameter.data == "star_parameter":
            shown = f"*{parameter.children[0]}"
        elif parameter.data == "double_star_parameter":
            shown = f"**{parameter.children[0]}"
        if not shown:
            continue
        if shown.startswith("**"):
            kind = "keyword-parameters"
        elif shown == "/":
            kind = "positional-only"
        else:
            kind = "kernel-star" if entry else "helper-star"
        yield Construct(kind, parameter, shown)


def _decorators(unit: SourceUnit) -> Iterator[Construct]:
    for decorator in unit.decorators if not unit.entry else []:
        name = last_name(decorator)
        if name not in _PLAIN_DECORATORS:
            yield Construct("decorator", decorator, name or "this expression")


def _asynchronous(unit: SourceUnit, definition: Node) -> Iterator[Construct]:
    line = unit.text.split("\n")[definition.meta.line - unit.first_line]
    start = len(line) - len(line.lstrip())
    if line.startswith("async", start):
        at = definition.meta.line
        word = Token("ASYNC", "async", line=at, column=start + 1, end_line=at, end_column=start + 6)
        yield Construct("async", word, "async")


def _class_header(definition: Node) -> Iterator[Construct]:
    name = definition.children[0]
    arguments = part(definition, "arguments")
    bases = [base for base in (arguments.children if arguments is not None else []) if isinstance(base, Tree)]
    odd = [base for base in bases if last_name(base) not in _PLAIN_BASES]
    if not bases:
        yield Construct("class-without-base", name, str(name))
    for base in odd:
        yield Construct("class-base", base, str(name))


def has_format_spec(text: str) -> bool:
    """Whether an f-string, as written, formats a value by a specification such as ``{x:.2f}``."""
    depth = 0
    position = 0
    quote = ""
    while position < len(text):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif depth == 0:
            if text[position : position + 2] in ("{{", "}}"):
                position += 1
            elif character == "{":
                depth = 1
        elif character in "\"'":
            quote = character
        elif character in "{[(":
            depth += 1
        elif character in "}])":
            depth -= 1
        elif character == ":" and depth == 1 and text[position : position + 2] != ":=":
            return True
        position += 1
    return False
