"""The kernel parser against CPython's: what it accepts and where it says things stand."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

from nki_sim.diagnostics.model import LanguageError
from nki_sim.frontend import parser
from nki_sim.frontend.constructs import has_format_spec
from nki_sim.frontend.parser import parse
from nki_sim.frontend.tree import Node, walk
from tests.frontend.programs import programs

Range = tuple[int, int, int, int]


def by_cpython(text: str, kind: type[ast.AST]) -> set[Range]:
    lines = text.split("\n")

    def column(line: int, offset: int) -> int:
        return len(lines[line - 1].encode()[:offset].decode()) + 1

    return {
        (n.lineno, column(n.lineno, n.col_offset), n.end_lineno, column(n.end_lineno, n.end_col_offset))
        for n in _outside_f_strings(ast.parse(text))
        if isinstance(n, kind)
    }


def _outside_f_strings(tree: ast.AST) -> list[ast.AST]:
    found, stack = [], [tree]
    while stack:
        node = stack.pop()
        if not isinstance(node, ast.JoinedStr):  # an f-string is one token for us
            found.append(node)
            stack.extend(ast.iter_child_nodes(node))
    return found


def by_us(tree: Node, kind: str) -> set[Range]:
    return {(n.meta.line, n.meta.column, n.meta.end_line, n.meta.end_column) for n in walk(tree) if n.data == kind}


@given(programs)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_accepts_what_cpython_accepts_with_the_same_positions(text: str) -> None:
    try:
        ast.parse(text)
    except SyntaxError:
        assume(False)
    tree = parse(text, file="generated.py")
    assert by_us(tree, "call") == by_cpython(text, ast.Call)
    assert by_us(tree, "name") == by_cpython(text, ast.Name)


SNIPPETS = [
    "x = a if b else c\n",
    "f(x for x in y)\n",
    "f(a, *b, k=1, **c)[1:2, ..., ::3, None]\n",
    "x: int\n",
    "a = b = yield\n",
    "async def f():\n    async with a as b, c:\n        await d\n    async for x in y:\n        pass\n",
    "try:\n    pass\nexcept* (A, B) as e:\n    pass\n",
    "match = case = type = 1\nmatch(x)\nmatch[0]\ntype(x)\n",
    "match x, y:\n    case (1 | 2, [a, *b]) if a:\n        pass\n    case {'k': v} as w: pass\n    case _: pass\n",
    "match (x):\n    # why\n    case A.B(c=1):\n        pass\n",
    "with (open(a) as b, c as d,):\n    pass\n",
    "with (a), b:\n    pass\n",
    "from . import a\nfrom ..b import (c, d as e,)\nfrom ... import f\nimport a.b as c, d\nfrom x import *\n",
    "def f(a, /, b: int = 1, *args, c=2, **kw) -> int: return a\n",
    "def f(*, a): pass\n",
    "lambda: (yield)\nlambda *a, **k: a\nlambda x=1, /: x\n",
    "global a, b\nnonlocal_ = 1\n",
    "if (n := f(x)) > 1: y[n := 2]\n",
    "{**a, 'b': 1}\n{*a, b}\n{k: v for k, v in a}\n{x for x in y if a if b}\n[*a, b]\n",
    "a, *b = c\nfor x, in y: pass\nfor *a, b in c: pass\nelse: pass\n",
    "x = (  # comment\n    1 +\n\n    2\n)\n",
    "x = 1; y = 2;\n",
    "# only a comment",
    "",
    "\n\n  # indented comment\nx = 1\n",
    "if a:\n    x\n  # odd comment\n    y\n",
    "if a:\n\tx\n\ty\n",
    "x = 'a' \\\n    'b'\n",
    "class A: pass\nclass B(A, metaclass=M):\n    x = 1\n",
    "@a.b[0](c)\n@d\nclass C:\n    @staticmethod\n    def f(): ...\n",
    "not a in b\na not in b\na is not b\nnot not a\n-a ** -b\n",
    "a @ b\na @= b\na //= 2\na >>= 1\na **= 2\n",
    "x = 1if a else 2\n",
    "f'{x!r}' f\"{y:>{w}.{p}}\" 'z'\nf'{{}}' f'{a[\"b\"]}' rf'\\{x}'\nf'{x:\"^10}'\nf'{ {1: 2}[1] }'\n",
    "f'''{\na}'''\nf'{lambda_:.2f}{x=}'\nf'\\N{DASH}'\n",
    "return_ = 1\nx.if_\nNone_ = 2\nprint(not_)\n",
    "if x:\r\n    y = 1\r\nz = 2\r\n",
]


@pytest.mark.parametrize("text", SNIPPETS)
def test_reads_every_statement_of_the_language(text: str) -> None:
    parse(text, file="snippet.py")


@pytest.mark.parametrize(
    "text",
    [
        "f(a b)\n",
        "if a\n    b\n",
        "def f(:\n    pass\n",
        "x = = 1\n",
        "for in x: pass\n",
        "x = (1\n",
        "x = 1)\n",
        "class 1: pass\n",
        "x = if\n",
        "import\n",
        "a.1b\n",
        "'abc\n",
        "f'{a\n",
        "x\n  y\n",
    ],
)
def test_refuses_what_is_no_python(text: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse(text, file="broken.py")
    (finding,) = caught.value.diagnostics
    assert finding.code == "language-syntax"
    assert finding.span is not None and finding.span.file == "broken.py" and finding.span.column > 0


def test_nested_quotes_of_python_3_12_end_where_they_should() -> None:
    tree = parse('f"{f"{x["a"]}"}" + y\n', file="pep701.py")
    assert by_us(tree, "name") == {(1, 20, 1, 21)}


@given(programs)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_an_indented_text_has_the_columns_of_its_file(text: str) -> None:
    """A method cut out of its class, parsed as it stands, has the positions it has in the file."""
    try:
        ast.parse(text)
    except SyntaxError:
        assume(False)
    assume('"""' not in text and "'''" not in text)
    method = textwrap.indent(text, "    ")
    whole = "class C:\n" + method
    inside = parse(method, file="m.py", first_line=2)
    outside = parse(whole, file="m.py")
    assert by_us(inside, "name") == by_us(outside, "name")
    assert by_us(inside, "call") == by_us(outside, "call")


def test_the_grammar_is_found() -> None:
    assert parser.grammar_path("kernel.lark").is_file()
    with pytest.raises(FileNotFoundError, match="no-such"):
        parser.grammar_path("no-such.lark")


def test_tables_from_the_cache_parse_as_fresh_ones(tmp_path: Path) -> None:
    grammar = parser.grammar_path("kernel.lark").read_text(encoding="utf-8")
    cache = tmp_path / "deep" / "tables.pickle"
    fresh = parser._build(grammar, cache)
    assert [path.name for path in cache.parent.iterdir()] == ["tables.pickle"]
    loaded = parser._load(cache)
    assert loaded is not None
    text = "def f(a):\n    return g(a)[0]\n"
    assert loaded.parse(text) == fresh.parse(text)


def test_a_spoilt_or_unwritable_cache_does_no_harm(tmp_path: Path) -> None:
    spoilt = tmp_path / "tables.pickle"
    spoilt.write_bytes(b"not a pickle")
    assert parser._load(spoilt) is None
    blocked = tmp_path / "file"
    blocked.write_text("")
    parser._store(parser.kernel_parser(), blocked / "tables.pickle")
    assert blocked.read_text() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f'{x}'", False),
        ("f'{x:.2f}'", True),
        ("f'{x[1:2]}'", False),
        ("f'{{x:y}}'", False),
        ("f'a: {x}'", False),
        ("f'{d[\"a:b\"]}'", False),
        ("f'{x!r:>8}'", True),
        ("f'{(y:=1)}'", False),
        ("f'{(lambda: 1)()}'", False),
    ],
)
def test_format_specs_are_told_from_other_colons(text: str, expected: bool) -> None:
    assert has_format_spec(text) is expected
