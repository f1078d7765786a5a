"""Reads the pages under docs/diagnostics/: a failing kernel, the text it gets, and its mended twin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "diagnostics"
_BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """One page: the code it is about and its three blocks."""

    path: Path
    title: str
    failing: str
    text: str
    mended: str

    @property
    def dialect(self) -> str:
        first = self.failing.split("\n", 1)[0]
        return first.removeprefix("# dialect: ") if first.startswith("# dialect: ") else "nki"

    def with_text(self, text: str) -> str:
        """The whole page with its text block replaced."""
        page = self.path.read_text(encoding="utf-8")
        block = next(found for found in _BLOCK.finditer(page) if found[1] == "text")
        return page[: block.start(2)] + text + page[block.end(2) :]


def read_page(path: Path) -> Page:
    """The parts of a page. Raises ValueError when it does not have the format that docs/diagnostics/README.md gives."""
    page = path.read_text(encoding="utf-8")
    blocks = [(found[1], found[2]) for found in _BLOCK.finditer(page)]
    if [kind for kind, _ in blocks] != ["python", "text", "python"]:
        raise ValueError(f"{path.name}: blocks must be python, text, python")
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    if headings != ["Fails", "Mended", "Why"]:
        raise ValueError(f"{path.name}: headings must be Fails, Mended, Why")
    title = page.split("\n", 1)[0].removeprefix("# ")
    return Page(path, title, blocks[0][1], blocks[1][1], blocks[2][1])


def pages(prefix: str = "") -> list[Path]:
    """The pages whose code starts with `prefix`."""
    return sorted(path for path in DIRECTORY.glob(f"{prefix}*.md") if path.name != "README.md")
