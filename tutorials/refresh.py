"""Run the code of a tutorial and put what it prints back into the text: `python tutorials/refresh.py [FILE ...]`.

A tutorial is Markdown. Its ```python blocks run in order in one namespace; a ```text block right after one holds what
it prints. A figure inside a sentence is an expression with its value, `<!--= f"{total:.0f}" -->17<!--/-->`, evaluated
after all blocks. Prose is written by hand, figures never are.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Whatever the terminal: tables keep their shape, and no colour codes get into the text.
ENVIRONMENT = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}

_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<text>.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_FIGURE = re.compile(r"(<!--= (?P<expression>.+?) -->)(?P<value>.*?)(<!--/-->)", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A ```python block: its code, its 1-based first line, and the span of its output's text in the file, if any."""

    code: str
    line: int
    output: tuple[int, int] | None


def blocks_of(text: str) -> list[Block]:
    """The ```python blocks of a tutorial, in order."""
    return [
        Block(
            code=found["code"],
            line=text.count("\n", 0, found.start("code")) + 1,
            output=found.span("text") if found["text"] is not None else None,
        )
        for found in _BLOCK.finditer(text)
    ]


def refreshed(text: str, name: str = "tutorial") -> str:
    """`text` with every output and figure as the code gives it now. Raises whatever the code raises.

    The code runs from a file that holds the blocks one after another, as a reader would paste them: kernels can be read
    back from their source, and the line numbers in messages and profiles depend on no prose.
    """
    blocks = blocks_of(text)
    with tempfile.TemporaryDirectory() as folder, _environment():
        path = Path(folder) / f"{name}.py"
        path.write_text("".join(block.code for block in blocks))
        namespace: dict[str, object] = {"__name__": name, "__file__": str(path)}
        pieces, done, line = [], 0, 0
        for block in blocks:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * line + block.code, str(path), "exec"), namespace)
            line += block.code.count("\n")
            if block.output is not None:
                pieces += [text[done : block.output[0]], _tidy(printed.getvalue().replace(folder + os.sep, ""))]
                done = block.output[1]
            elif printed.getvalue():
                raise ValueError(f"{name}.md:{block.line}: the block prints, but no ```text block follows it")
        pieces.append(text[done:])
        return _FIGURE.sub(lambda m: f"{m[1]}{eval(m['expression'], namespace)}{m[4]}", "".join(pieces))


def stale(paths: Iterable[Path]) -> list[Path]:
    """The tutorials whose text is not what their code prints."""
    return [path for path in paths if refreshed(path.read_text(), path.stem) != path.read_text()]


def _tidy(printed: str) -> str:
    return "".join(line.rstrip() + "\n" for line in printed.splitlines())


@contextlib.contextmanager
def _environment():
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    os.environ.pop("FORCE_COLOR", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main(arguments: list[str]) -> None:
    """Refresh the named tutorials, or all of them, in place."""
    for path in [Path(a) for a in arguments] or sorted(Path(__file__).parent.glob("*.md")):
        before = path.read_text()
        after = refreshed(before, path.stem)
        path.write_text(after)
        print(f"{path.name}: {'unchanged' if after == before else 'refreshed'}")


if __name__ == "__main__":
    main(sys.argv[1:])
