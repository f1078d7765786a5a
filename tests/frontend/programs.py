"""Hypothesis strategies for programs in the part of Python that kernels are written in."""

from __future__ import annotations

import keyword

from hypothesis import strategies as st

names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in ("match", "case", "type")
) | st.sampled_from(["match", "case", "type", "nl", "nisa", "größe"])
numbers = st.sampled_from(["0", "12", "1_000", "0x1F", "0b101", "1.5", ".5", "2.", "1e-3", "3j"])
strings = st.sampled_from(
    [
        "''",
        '"a"',
        "'it\\'s'",
        'r"\\d"',
        "b'x'",
        '"""two\nlines"""',
        "'''a\"b'''",
        "'a' \"b\"",
        "f'{a}'",
        'f"{a!r:>{b}} {{no}}"',
        "f'{d[\"k\"]}'",
        'f"""{a}\n{b:.2f}"""',
        "rf'{a}\\d'",
    ]
)
atoms = names | numbers | strings | st.sampled_from(["None", "True", "False", "..."])


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(
        [
            "+",
            "-",
            "*",
            "/",
            "//",
            "%",
            "@",
            "**",
            "&",
            "|",
            "^",
            "<<",
            ">>",
            "and",
            "or",
            "<",
            "==",
            "in",
            "not in",
            "is",
        ]
    )
    spaces = st.sampled_from([" ", "  ", " \\\n "])
    return st.one_of(
        st.builds(lambda a, s, op, b: f"{a}{s}{op} {b}", inner, spaces, operators, inner),
        st.builds(lambda op, a: f"{op}({a})", st.sampled_from(["-", "~", "not "]), inner),
        st.builds(lambda a: f"({a})", inner),
        st.builds(lambda a, b: f"({a}, {b})", inner, inner),
        st.builds(lambda a: f"({a},)", inner),
        st.builds(lambda a, b: f"[{a}, {b}]", inner, inner),
        st.builds(lambda a, b: f"{{{a}: {b}}}", inner, inner),
        st.builds(lambda a, b, c: f"({a} if {b} else {c})", inner, inner, inner),
        st.builds(lambda f, a, n, b: f"{f}({a}, {n}={b})", names, inner, names, inner),
        st.builds(lambda f, a, b: f"{f}.g(\n        {a},  # why\n        *{b},\n    )", names, inner, names),
        st.builds(lambda t, a, b, c: f"{t}[{a}, {b}:{c}]", names, inner, inner, inner),
        st.builds(lambda t, a: f"{t}[..., ::{a}]", names, inner),
        st.builds(lambda a, n, b: f"[{a} for {n} in ({b}) if {n}]", inner, names, inner),
        st.builds(lambda n, a: f"(lambda {n}, *rest: {a})", names.filter(lambda n: n != "rest"), inner),
    )


expressions = st.recursive(atoms, _expressions, max_leaves=8)

_simple = st.one_of(
    expressions,
    st.builds("{} = {}".format, names, expressions),
    st.builds("{}, *{} = {}".format, names, names, expressions),
    st.builds("{}: int = {}".format, names, expressions),
    st.builds("{}[{}] += {}".format, names, expressions, expressions),
    st.builds("assert {}, {}".format, expressions, expressions),
    st.builds("return {}".format, expressions),
    st.sampled_from(["pass", "return", "import math", "from a.b import c as d, e", "del x", "raise ValueError(x)"]),
)


def _indented(body: list[str]) -> str:
    return "\n".join("    " + line for one in body for line in one.split("\n"))


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # A multi-line string cannot be indented without changing it, which does not matter here.
    body = st.lists(inner, min_size=1, max_size=3).map(_indented)
    return st.one_of(
        st.builds("if {}:\n{}\nelif {}:\n{}\nelse:\n{}".format, expressions, body, expressions, body, body),
        st.builds("for {}, {} in {}:  # loop\n\n{}".format, names, names, expressions, body),
        st.builds("while {}:\n{}".format, expressions, body),
        st.builds("with {} as {}:\n{}".format, expressions, names, body),
        st.builds("try:\n{}\nexcept ValueError as {}:\n{}\nfinally:\n{}".format, body, names, body, body),
        st.builds("@jit(a=1)\ndef {}(p, q: int = 1, *, r=2) -> int:\n{}".format, names, body),
        st.builds("class {}(NKIObject):\n    x: int = 1\n{}".format, names, body),
    )


statements = st.recursive(_simple, _blocks, max_leaves=6)
programs = st.lists(statements, min_size=1, max_size=4).map(lambda parts: "def outer():\n" + _indented(parts) + "\n")
