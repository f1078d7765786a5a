"""IsaError: a fault in a `.isa` file."""

from __future__ import annotations


class IsaError(ValueError):
    """What is wrong, and where: file, line and column, both from 1."""

    def __init__(self, message: str, file: str, line: int, column: int) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}")
        self.message = message
        self.file = file
        self.line = line
        self.column = column
