"""Reads the `.isa` files (grammar/isa.lark) into InstructionSpecs. Needs lark; only `make isa` and the tests use it.

Every fault of a file is an IsaError with file, line and column.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from nki_sim.instructions.blocks import Block, Common
from nki_sim.instructions.isa_error import IsaError
from nki_sim.instructions.spec import InstructionSpec

HERE = Path(__file__).parent
GRAMMAR = HERE.parents[1] / "grammar" / "isa.lark"
COMMON = HERE / "common.isa"


@lru_cache(maxsize=1)
def parser() -> Lark:
    return Lark(GRAMMAR.read_text("utf-8"), parser="lalr", propagate_positions=True, maybe_placeholders=True)


def isa_files() -> list[Path]:
    """The `.isa` files of the families, in alphabetical order."""
    return sorted(HERE.glob("*/*.isa"))


def load_common() -> Common:
    """The shared names of common.isa."""
    common = Common()
    read_text(COMMON.read_text("utf-8"), COMMON.name, "common", common)
    return common


def load_all(common: Common | None = None) -> dict[str, InstructionSpec]:
    """Every instruction of every family, by name."""
    shared = load_common() if common is None else common
    specs: dict[str, InstructionSpec] = {}
    for path in isa_files():
        for spec in read_text(path.read_text("utf-8"), path.name, path.parent.name, shared):
            if spec.name in specs:
                raise IsaError(f"{spec.name} is described twice", path.name, 1, 1)
            specs[spec.name] = spec
    return specs


def read_text(text: str, file: str, family: str, common: Common) -> list[InstructionSpec]:
    """The instructions of one `.isa` text; shared definitions in it are added to `common`."""
    out = []
    for node in _parse(text, file).children:
        assert isinstance(node, Tree)
        if node.data == "instruction":
            out.append(Block(node, file, family, common).build())
        else:
            common.define(node, file)
    return out


def _parse(text: str, file: str) -> Tree[Token]:
    try:
        return parser().parse(text)
    except UnexpectedToken as error:
        wanted = ", ".join(sorted(error.accepts or error.expected)[:8])
        message = f"unexpected {error.token.value!r}; expected one of {wanted}"
        raise IsaError(message, file, error.line, error.column) from None
    except UnexpectedCharacters as error:
        raise IsaError(f"unexpected character {error.char!r}", file, error.line, error.column) from None
    except UnexpectedInput as error:
        raise IsaError("the text ends too early", file, error.line, error.column) from None
