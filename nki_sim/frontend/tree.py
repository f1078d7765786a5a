"""Reading helpers for trees of kernel.lark: names, definitions, spans, walking without entering nested functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lark import Token, Tree

from nki_sim.program.spans import SourceSpan

Node = Tree[Token]

FUNCTIONS = frozenset(("function_definition", "lambda_expression"))


def subtrees(node: Node) -> list[Node]:
    """The nodes that are direct children of `node`."""
    return [child for child in node.children if isinstance(child, Tree)]


def tokens(node: Node) -> list[Token]:
    """The tokens that are direct children of `node`."""
    return [child for child in node.children if isinstance(child, Token)]


def walk(node: Node) -> Iterator[Node]:
    """`node` and every node below it, in the order of the text."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(child for child in reversed(here.children) if isinstance(child, Tree))


def span_of(part: Node | Token, file: str, function: str = "") -> SourceSpan:
    """Where a node or a token stands."""
    at: Any = part.meta if isinstance(part, Tree) else part
    return SourceSpan(file, at.line, at.column, at.end_line, at.end_column, function)


def dotted(node: Any) -> str:
    """``nl.dynamic_range`` for a name or a chain of attributes; "" for anything else."""
    parts: list[str] = []
    while isinstance(node, Tree):
        if node.data == "name":
            parts.append(str(node.children[0]))
            return ".".join(reversed(parts))
        if node.data != "attribute":
            return ""
        parts.append(str(node.children[1]))
        node = node.children[0]
    return ""


def last_name(node: Any) -> str:
    """The last part of a dotted name, also of a call of one: ``jit`` for ``nki.jit`` and ``nki.jit(mode="x")``."""
    if isinstance(node, Tree) and node.data == "call":
        node = node.children[0]
    return dotted(node).rpartition(".")[2]


def definition_name(node: Node) -> str:
    """The name that a function or class definition binds."""
    return str(node.children[0])


def definitions(module: Node) -> Iterator[tuple[str, Node, list[Node]]]:
    """Name, node and decorator expressions of every function and class that is not inside a function."""
    stack: list[tuple[Node, list[Node]]] = [(module, [])]
    while stack:
        node, decorators = stack.pop()
        if node.data in ("function_definition", "class_definition"):
            yield definition_name(node), node, decorators
            if node.data == "function_definition":
                continue
        inner: list[Node] = []
        if node.data == "decorated_definition":
            inner = [expression(child) for child in subtrees(node) if child.data == "decorator"]
        elif node.data == "async_statement":
            inner = decorators
        stack.extend((child, inner) for child in reversed(subtrees(node)))


def find_definition(module: Node, name: str) -> Node | None:
    """The outermost definition of `name` in a text; for "<lambda>" its first lambda; None when there is none."""
    for node in walk(module):
        if name == "<lambda>":
            if node.data == "lambda_expression":
                return node
        elif node.data in ("function_definition", "class_definition") and definition_name(node) == name:
            return node
    return None


def decorators_of(module: Node, definition: Node) -> list[Node]:
    """The decorator expressions on `definition` in the text it came from."""
    for _, node, decorators in definitions(module):
        if node is definition:
            return decorators
    return []


def expression(node: Node) -> Node:
    """The one node inside `node`, such as the test of a `decorator`."""
    return subtrees(node)[0]


def part(node: Node, kind: str) -> Node | None:
    """The first direct child of `node` that is a `kind`."""
    return next((child for child in subtrees(node) if child.data == kind), None)
