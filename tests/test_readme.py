"""The README shows what its code prints."""

from __future__ import annotations

from pathlib import Path

from tutorials.refresh import refreshed

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_shows_what_its_code_prints() -> None:
    text = README.read_text("utf-8")
    assert refreshed(text, README.stem) == text, "run: python tutorials/refresh.py README.md"
