"""The `.isa` files: they parse, the generated files follow them, and faults are reported with their place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nki_sim import targets
from nki_sim.instructions import evaluate, generate
from nki_sim.instructions.isa_error import IsaError
from nki_sim.instructions.loader import load_all, load_common, read_text
from nki_sim.instructions.spec import Expression, InstructionSpec, Tree
from nki_sim.instructions.table import SPECS

HEAD = """instruction probe "A probe." {
  engine vector
  out dst : [P, F...] any in sbuf "the result"
"""


def load(lines: str) -> InstructionSpec:
    return read_text(HEAD + lines + "}", "probe.isa", "probe", load_common())[0]


def test_the_table_is_what_the_files_say() -> None:
    assert load_all() == SPECS


def test_generated_files_are_up_to_date() -> None:
    assert generate.stale() == []


def test_importing_the_table_needs_no_parser() -> None:
    code = "import sys, nki_sim.instructions.table, nki_sim.instructions.validate; print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", SPECS)
def test_everything_has_a_source(name: str) -> None:
    spec = SPECS[name]
    assert spec.citations and spec.summary and spec.description
    assert all(limit.citation for limit in spec.limits)
    assert spec.costs and all(rule.citation for rule in spec.costs)
    assert all(one.description for one in (*spec.operands, *spec.attributes))


def leaves(tree: Tree) -> list[Tree]:
    inner = [part for part in tree[1:] if isinstance(part, tuple) and part and isinstance(part[0], str)]
    return [tree, *(leaf for part in inner if part[0] in evaluate.NODE_KINDS for leaf in leaves(part))]


@pytest.mark.parametrize("name", SPECS)
def test_formulas_compile_and_name_limits_that_every_target_has(name: str) -> None:
    spec = SPECS[name]
    formulas: list[Expression] = [limit.expression for limit in spec.limits]
    formulas += [limit.condition.when for limit in spec.limits if limit.condition.when is not None]
    formulas += [rule.expression for rule in spec.costs if rule.expression is not None]
    formulas += [rule.condition.when for rule in spec.costs if rule.condition.when is not None]
    assert formulas or spec.family == "control"
    for formula in formulas:
        evaluate.compiled(formula)
        for leaf in leaves(formula.tree):
            if leaf[0] == "limit":
                assert all(targets.load(target).limit(leaf[1]) > 0 for target in targets.NAMES)


@pytest.mark.parametrize(
    ("lines", "line", "column", "message"),
    [
        (
            '  limit F <= bn_stat_fmax cite "x"\n',
            4,
            14,
            "bn_stat_fmax is no letter, operand, attribute, constant, limit",
        ),
        ("  limit F <= 3\n", 4, 3, "a limit needs a citation"),
        ('  limit size(dst) <= 3 cite "x"\n', 4, 9, "there is no function size"),
        ('  limit dst is sbuf cite "x"\n', 4, 3, "this limit needs a message of its own"),
        ('  limit F <= 3 code shap cite "x"\n', 4, 3, "shap is no code"),
        ('  limit F <= 3 else "{G}" cite "x"\n', 4, 16, "{G} names nothing"),
        ('  limit F <= <= 3 cite "x"\n', 4, 14, "unexpected '<='"),
        ('  in data : [P] float33 in sbuf "x"\n', 4, 17, "float33 is no dtype"),
        ('  in data : [P] any in sram "x"\n', 4, 24, "sram is no memory space"),
        ("  apply quadrant to dst\n", 4, 9, "there is no rule quadrant"),
        ("  apply one_psum_input to dst\n", 4, 3, "one_psum_input takes 2 names, not 1"),
        ("  engine vectors\n", 4, 10, "vectors is no engine"),
        ('  attribute op : operator arithmetics "x"\n', 4, 27, "arithmetics is no operator"),
        ('  limit dst in floats else "no" cite "x"\n', 4, 16, "there is no set floats"),
    ],
)
def test_a_fault_is_reported_with_its_place(lines: str, line: int, column: int, message: str) -> None:
    with pytest.raises(IsaError) as caught:
        load(lines)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"probe.isa:{line}:{column}: {message}")


def test_lines_are_qualified_by_generation_engine_and_formula() -> None:
    spec = load('  limit F <= 3 when F != 2 since gen3 until gen3 on vector cite "x"\n')
    condition = spec.limits[0].condition
    assert (condition.since, condition.until, condition.on) == (3, 3, "vector")
    assert condition.when is not None and condition.when.text == "F != 2"


def test_formulas_print_as_they_are_written() -> None:
    text = "not (F + 1) * 2 <= 3 and (F == 1 or dtype(dst) in {int8, int16}) implies dst is not psum"
    spec = load(f'  limit {text} else "no" cite "x"\n')
    assert spec.limits[0].expression.text == text


def test_shared_rules_put_in_the_operand() -> None:
    spec = load("  apply quadrants to dst\n")
    assert {limit.blame for limit in spec.limits} == {"dst"}
    assert all("tile" not in limit.expression.names for limit in spec.limits)
    assert "{dst.start}" in "".join(limit.message for limit in spec.limits)
