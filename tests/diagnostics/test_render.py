"""How findings look: snapshots at two widths, and properties of the marks under the source."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.diagnostics.model import Diagnostic, ShapeError
from nki_sim.diagnostics.render import shown_path, to_rich, to_text
from nki_sim.program.spans import SourceSpan

FILE = "my_kernel.py"
OTHER = "helpers.py"
LINES = {
    FILE: {
        5: "def tiled_matmul(lhs, rhs):",
        7: "    acc = nl.zeros((128, 512), dtype=nl.float32, buffer=nl.psum)",
        24: "    lhs_tile = nl.ndarray((128, 256), dtype=nl.bfloat16, buffer=nl.sbuf)",
        31: "    nisa.nc_matmul(dst=acc, stationary=lhs_tile, moving=rhs_tile)",
        40: "    nisa.tensor_tensor(dst=out[0:128, 0:512], data1=left_operand_of_the_sum[0:128, 0:512], "
        "data2=right_operand_of_the_sum[0:128, 0:512], op=nl.add)",
        50: "    nisa.nc_transpose(",
        51: "        dst=out,",
        52: "        data=tile[",
        53: "            0:128,",
        54: "            0:64,",
        55: "            0:2,",
        56: "        ],",
        57: "    )",
        60: "\tx = f(\t'日本', bad)",
        62: "    for i in nl.dynamic_range(4):",
        63: "        nisa.memset(dst=tile, value=0.0)",
        64: "        break",
    },
    OTHER: {3: "def allocate(shape):", 4: "    return nl.ndarray(shape, dtype=nl.float32, buffer=nl.sbuf)"},
}


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    for file, known in LINES.items():
        lines = [known.get(number, "") + "\n" for number in range(1, 70)]
        monkeypatch.setitem(linecache.cache, file, (1, None, lines, file))


def at(line: int, text: str, function: str = "kernel", file: str = FILE) -> SourceSpan:
    column = LINES[file][line].index(text) + 1
    return SourceSpan(file, line, column, line, column + len(text), function)


MATMUL = Diagnostic(
    code="shape",
    message="nc_matmul: stationary is [K=128, M=256]; M may be at most 128 on trn2",
    spans=(at(31, "lhs_tile", "tiled_matmul"), SourceSpan(FILE, 58, 5, 58, 30, "my_kernel")),
    label="[128, 256] bfloat16 in sbuf, allocated at line 24",
    facts=("the systolic array has 128 columns (gemm_stationary_fmax)",),
    fix="split M into tiles of 128",
)
CASES = {
    "matmul": MATMUL,
    "related_same_file": Diagnostic(
        code="overlap",
        severity="warning",
        message="acc and lhs_tile share bytes",
        spans=(at(31, "acc"),),
        label="written here",
        related=((at(7, "acc"), "acc is allocated here"), (at(31, "rhs_tile"), "read here")),
        count=3,
    ),
    "related_other_file": Diagnostic(
        code="dtype",
        message="data1 is float32",
        spans=(at(40, "left_operand_of_the_sum[0:128, 0:512]"),),
        label="[128, 512] float32 in sbuf",
        related=((at(4, "nl.ndarray", "allocate", OTHER), "allocated here"),),
        facts=("a first fact",),
    ),
    "crop_at_the_end": Diagnostic(
        code="dtype",
        message="an operator that is far to the right",
        spans=(at(40, "nl.add"),),
        label="not allowed on this engine, whatever the types of the two operands may be",
    ),
    "several_lines": Diagnostic(
        code="shape",
        message="data has three dimensions",
        spans=(SourceSpan(FILE, 52, 14, 56, 10, "kernel"),),
        label="[128, 64, 2]",
    ),
    "two_lines": Diagnostic(code="shape", message="two lines", spans=(SourceSpan(FILE, 63, 9, 64, 14),), label="here"),
    "tabs_and_wide_characters": Diagnostic(code="dtype", message="bad is bad", spans=(at(60, "bad"),), label="this"),
    "line_only": Diagnostic(code="bounds", message="no columns before Python 3.11", spans=(SourceSpan(FILE, 63),)),
    "one_line_between": Diagnostic(
        code="language-dynamic-exit",
        message="`break` steps out",
        spans=(at(64, "break"),),
        related=((at(62, "nl.dynamic_range(4)"), "the loop"),),
    ),
    "long_message_and_chain": Diagnostic(
        code="capacity",
        severity="note",
        message="the tensors alive together need 200,000 bytes per partition, " + "which is more than there is, " * 3,
        spans=(
            at(63, "nisa.memset(dst=tile, value=0.0)"),
            *(SourceSpan(FILE, 10 * n, 1, 10 * n, 2, f"caller_number_{n}") for n in range(1, 8)),
        ),
        facts=("a fact that is much longer than a line of eighty or of a hundred cells, so that it has to be wrapped",),
        fix="use fewer tensors, smaller tensors, or the same tensor again and again until it fits; nothing else helps",
    ),
    "no_place": Diagnostic(code="owed", message="collectives are owed", owner="simulator", fix="wait"),
    "no_text": Diagnostic(code="shape", message="the file is gone", spans=(SourceSpan("/gone/k.py", 3, 5, 3, 9),)),
}


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", CASES)
def test_snapshot(name: str, width: int, golden: Callable[[Path, str], None]) -> None:
    text = to_text([CASES[name]], width)
    golden(Path(__file__).parent / "snapshots" / f"{name}.{width}.txt", text + "\n")


def test_the_example_of_the_design() -> None:
    assert to_text([MATMUL], 110).split("\n") == [
        "error[shape]: nc_matmul: stationary is [K=128, M=256]; M may be at most 128 on trn2",
        "  --> my_kernel.py:31:40   (inlined from my_kernel, my_kernel.py:58)",
        "   |",
        "31 |     nisa.nc_matmul(dst=acc, stationary=lhs_tile, moving=rhs_tile)",
        "   |                                        ^^^^^^^^ [128, 256] bfloat16 in sbuf, allocated at line 24",
        "   = the systolic array has 128 columns (gemm_stationary_fmax)",
        "   = fix: split M into tiles of 128",
    ]


def test_rich_text_has_the_same_characters() -> None:
    assert to_rich(CASES.values(), 90).plain == to_text(CASES.values(), 90)


def test_an_error_prints_its_findings() -> None:
    assert str(ShapeError([MATMUL])) == to_text([MATMUL])


def test_paths_are_short_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(str(tmp_path / "a" / "k.py")) == str(Path("a") / "k.py")
    assert shown_path("/elsewhere/k.py") == "/elsewhere/k.py"
    assert shown_path(str(tmp_path) + "er/k.py") == str(tmp_path) + "er/k.py"
    assert shown_path("<stdin>") == "<stdin>"


_characters = st.sampled_from("ab ([=\t日é")


@given(st.text(_characters, min_size=1, max_size=160), st.data(), st.integers(40, 120))
def test_carets_stand_under_the_marked_characters(text: str, data: st.DataObject, width: int) -> None:
    """Cut the caret range out of the drawn line, by cells, and the marked text comes back."""
    line = "x" + text + "x"
    start = data.draw(st.integers(0, len(line) - 1))
    end = data.draw(st.integers(start + 1, min(start + 8, len(line))))
    linecache.cache["drawn.py"] = (1, None, [line + "\n"], "drawn.py")
    span = SourceSpan("drawn.py", 1, start + 1, 1, end + 1)
    drawn = to_text([Diagnostic(code="c", message="m", spans=(span,))], width)
    source, carets = drawn.split("\n")[3:5]
    cells = [c for c in source for _ in range(2 if c == "日" else 1)]
    under = [c for c, caret in zip(cells + [" "] * 200, carets, strict=False) if caret == "^"]
    marked = line[start:end]
    if "…" not in source:
        assert "".join(under).replace("日日", "日").replace(" ", "") == marked.replace("\t", "").replace(" ", "")
    else:
        plain = marked.replace("\t", "").replace(" ", "")
        assert not plain or [c for c in under if c in plain]
    assert len(cells) <= max(width, 24)
