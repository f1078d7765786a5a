"""Formulas as text, and the application of shared rules: a rule's limits with operands and attributes put in.

The generated table states a shared rule once and applies it to each operand when it is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from nki_sim.instructions.spec import Choice, Expression, Limit, Tree

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z_0-9]*)(?:\.([a-z]+))?\}")


def formula(tree: Tree) -> Expression:
    """`tree` with its text."""
    return Expression(text=text_of(tree), tree=tree)


def choices(*names: str) -> tuple[Choice, ...]:
    """Names that are always accepted."""
    return tuple(Choice(name=name) for name in names)


def applied(
    rule: str, limits: tuple[Limit, ...], operands: Mapping[str, str], attributes: Mapping[str, str]
) -> tuple[Limit, ...]:
    """`limits` of the shared `rule` with its parameters replaced by the operands and attributes given."""
    trees: dict[str, Tree] = {name: ("operand", actual) for name, actual in operands.items()}
    trees |= {name: ("attribute", actual) for name, actual in attributes.items()}
    label = f"{rule}({', '.join(f'{name}={tree[1]}' for name, tree in trees.items())})"
    return tuple(_put_in(limit, trees, label) for limit in limits)


def _put_in(limit: Limit, trees: Mapping[str, Tree], label: str) -> Limit:
    def text(template: str) -> str:
        return PLACEHOLDER.sub(lambda found: _placeholder(found[1], found[2]), template)

    def _placeholder(name: str, part: str | None) -> str:
        actual = trees[name][1] if name in trees else name
        return "{" + str(actual) + (f".{part}" if part else "") + "}"

    condition = limit.condition
    if condition.when is not None:
        condition = replace(condition, when=formula(_substitute(condition.when.tree, trees)))
    return replace(
        limit,
        expression=formula(_substitute(limit.expression.tree, trees)),
        condition=condition,
        blame=str(trees[limit.blame][1]) if limit.blame in trees else limit.blame,
        message=text(limit.message),
        fact=text(limit.fact),
        fix=text(limit.fix),
        rule=label,
    )


def _substitute(tree: Tree, trees: Mapping[str, Tree]) -> Tree:
    if tree[0] == "operand":
        return trees.get(tree[1], tree)
    if tree[0] == "in":
        return ("in", _substitute(tree[1], trees), *tree[2:])
    return tuple(_substitute(part, trees) if isinstance(part, tuple) else part for part in tree)


_PRECEDENCE = {"or": 1, "and": 2, "not": 3, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "is": 4, "in": 4}
_PRECEDENCE |= {"+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "if": 0}


def text_of(tree: Tree, outer: int = 0) -> str:
    """`tree` as people write it."""
    kind = tree[0]
    if kind in ("number", "symbol", "dim", "operand", "attribute", "constant", "limit"):
        return str(tree[1])
    if kind in ("engine", "generation"):
        return str(kind)
    if kind == "call":
        return f"{tree[1]}({', '.join(text_of(part) for part in tree[2:])})"
    level = _PRECEDENCE[kind]
    if kind == "not":
        text = _negated(tree[1], level)
    elif kind == "if":
        text = f"if {text_of(tree[1])} then {text_of(tree[2])} else {text_of(tree[3])}"
    elif kind == "is":
        text = f"{text_of(tree[1], level)} is {tree[2]}"
    elif kind == "in":
        text = f"{text_of(tree[1], level)} in {_set_text(tree)}"
    elif kind == "or" and tree[1][0] == "not":
        text = f"{text_of(tree[1][1], 2)} implies {text_of(tree[2], level)}"
    else:
        text = f"{text_of(tree[1], level)} {kind} {text_of(tree[2], level + 1)}"
    return f"({text})" if level < outer else text


def _negated(inner: Tree, level: int) -> str:
    if inner[0] == "is":
        return f"{text_of(inner[1], level)} is not {inner[2]}"
    if inner[0] == "in":
        return f"{text_of(inner[1], level)} not in {_set_text(inner)}"
    return f"not {text_of(inner, level)}"


def _set_text(tree: Tree) -> str:
    return str(tree[3]) or "{" + ", ".join(map(str, tree[2])) + "}"
