"""Every tutorial runs, and every output and figure in its text is what its code prints today."""

from pathlib import Path

import pytest

from tutorials.refresh import blocks_of, refreshed

FOLDER = Path(__file__).parents[2] / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.md"))


def test_there_are_tutorials() -> None:
    assert [p.stem for p in TUTORIALS] == ["01_first_kernel", "02_follow_the_advice"]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_the_text_is_what_the_code_prints(path: Path) -> None:
    text = path.read_text()
    assert len(blocks_of(text)) >= 4
    assert refreshed(text, path.stem) == text, "run `python tutorials/refresh.py`"
