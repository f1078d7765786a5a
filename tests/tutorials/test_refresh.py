"""The tutorial runner: outputs and figures come from the code, stale text is found, silence is checked."""

from pathlib import Path

import pytest

from tutorials.refresh import blocks_of, refreshed, stale

TEXT = """# Title

```python
def double(x):
    return 2 * x

base = 21
```

Prose, then a block that prints:

```python
print(double(base))
```

```text
OLD
```

Twice <!--= base -->?<!--/--> is <!--= f"{double(base):.1f}" -->?<!--/-->.
"""


def test_outputs_and_figures_are_put_back() -> None:
    after = refreshed(TEXT)
    assert after == TEXT.replace("OLD", "42").replace("-->?<", "-->21<", 1).replace("-->?<", "-->42.0<", 1)
    assert refreshed(after) == after


def test_stale_text_is_found(tmp_path: Path) -> None:
    old, new = tmp_path / "old.md", tmp_path / "new.md"
    old.write_text(TEXT)
    new.write_text(refreshed(TEXT))
    assert stale([old, new]) == [old]


def test_code_has_the_line_numbers_of_the_blocks_pasted_together() -> None:
    text = TEXT.replace("print(double(base))", "print(1 / 0)")
    with pytest.raises(ZeroDivisionError) as caught:
        refreshed(text)
    assert caught.traceback[-1].lineno + 1 == 5
    pasted = "".join(block.code for block in blocks_of(text)).splitlines()
    assert pasted[4].startswith("print(1 / 0)")


def test_functions_can_be_read_back_from_their_source() -> None:
    text = TEXT.replace("print(double(base))", "import inspect\nprint(inspect.getsource(double))")
    assert "```text\ndef double(x):\n    return 2 * x\n\n```" in refreshed(text)


def test_a_block_that_prints_unseen_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"tutorial\.md:4: the block prints"):
        refreshed(TEXT.replace("base = 21", "base = 21; print(base)"))


def test_blocks_know_their_line() -> None:
    assert [b.line for b in blocks_of(TEXT)] == [4, 13]
