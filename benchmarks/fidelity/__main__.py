"""`python -m benchmarks.fidelity` writes docs/fidelity.md; `--quick` prints the tables that take seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.fidelity.report import QUICK, document, results, section

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"


def main(arguments: list[str]) -> None:
    if "--quick" in arguments:
        sys.stdout.write("\n".join(section(group, results(group)) for group in QUICK))
        return
    PAGE.write_text(document(), "utf-8")
    sys.stdout.write(f"wrote {PAGE.relative_to(PAGE.parents[1])}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
