"""Runs public kernels unmodified and writes the table: python -m tests.corpus --sdk DIR --samples DIR [--write]."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nki_sim import KernelError, NkiSimError, NotImplementedYet, compat
from nki_sim.kernel import Kernel
from tests.corpus.cases import OWED, Case, cases

TABLE = Path(__file__).parents[2] / "docs" / "conformance" / "public-kernels.md"

HEAD = """# Public kernels, unmodified

Each file is imported as it stands, through the import alias, and each kernel run on the {engine} engine at the sizes of
the repository's own scripts, against a NumPy reference of ours. `make corpus SDK=... SAMPLES=...` makes this table;
differences are relative to the largest value of the result.

"""


@dataclass(frozen=True)
class Outcome:
    """What a case came to: `ok` when it is what the case expects, and one cell of text."""

    ok: bool
    text: str
    seconds: float


def run(case: Case, root: Path, engine: str) -> Outcome:
    """Run one case of the checkout at `root` on one engine. Its text names no path outside of the checkout."""
    started = time.perf_counter()
    environment = dict(os.environ)
    try:
        module = compat.load_file(root / case.path)
        kernel: Kernel = getattr(module, case.kernel).with_options(engine=engine)
        arguments = case.inputs(np.random.default_rng(0))
        result = kernel(*arguments)
    except Exception as error:  # what is run here is other people's code
        ok = _expected(case, error) and case.word in str(error)
        first = _first_line(error).replace(f"{root}/", "").replace(f"{root.resolve()}/", "")
        return Outcome(ok, f"{case.expect}: {first}" if ok else first, time.perf_counter() - started)
    finally:
        # One example sets the target in the environment; the next must not inherit it.
        os.environ.clear()
        os.environ.update(environment)
    seconds = time.perf_counter() - started
    if case.expect != "match" or case.reference is None:
        return Outcome(False, f"ran, but should have been {case.expect}", seconds)
    error = _difference(result, case.reference(*arguments))
    return Outcome(error <= case.relative, f"{error:.1e} of {case.relative:.1e}", seconds)


def _first_line(error: Exception) -> str:
    """What went wrong and, where nki_sim says so, at which line."""
    if not isinstance(error, NkiSimError):
        return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    first = next(one for one in error.diagnostics if one.severity == "error")
    place = f" (line {first.span.line})" if first.span is not None else ""
    return f"{first.message}{place}"


def _expected(case: Case, error: Exception) -> bool:
    """Whether the case is one that ends with this kind of error."""
    if case.expect == "owed":
        return isinstance(error, NotImplementedYet)
    if case.expect == "refused":
        return isinstance(error, KernelError)
    return case.expect == "broken" and isinstance(error, (NkiSimError, SyntaxError, NameError))


def _difference(result: Any, reference: Any) -> float:
    got = result if isinstance(result, tuple) else (result,)
    want = reference if isinstance(reference, tuple) else (reference,)
    if len(got) != len(want) or any(g.shape != w.shape for g, w in zip(got, want, strict=True)):
        return float("inf")
    worst = 0.0
    for g, w in zip(got, want, strict=True):
        scale = float(np.abs(w).max()) or 1.0
        difference = np.abs(g.astype(np.float64) - w)
        worst = max(worst, float("inf") if np.isnan(difference).any() else float(difference.max()) / scale)
    return worst


def table(chosen: Sequence[Case], roots: Mapping[str, Path | None], engine: str) -> tuple[list[str], int]:
    """The table's rows for the checkouts that are there, printed as they come, and how many are not as expected."""
    rows = [
        "| file | kernel | sizes | outcome (largest relative difference of allowed) | ok |",
        "|---|---|---|---|---|",
    ]
    wrong = 0
    for case in chosen:
        root = roots[case.repo]
        if root is None:
            continue
        outcome = run(case, root, engine)
        wrong += not outcome.ok
        cell = outcome.text.replace("|", "\\|")
        mark = "yes" if outcome.ok else "NO"
        rows.append(f"| {case.repo}: {case.path} | `{case.kernel}` | {case.sizes} | {cell} | {mark} |")
        place = f"{case.repo}:{case.path}::{case.kernel}"
        print(f"{'ok ' if outcome.ok else 'BAD'} {place}  {outcome.text}  {outcome.seconds:.1f} s", flush=True)
    return rows, wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--sdk", type=Path, help="a checkout of aws-neuron/aws-neuron-sdk")
    parser.add_argument("--samples", type=Path, help="a checkout of aws-neuron/nki-samples")
    parser.add_argument("--engine", choices=("jit", "reference"), default="jit")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}; needs both checkouts")
    options = parser.parse_args()
    roots = {"sdk": options.sdk, "samples": options.samples}
    missing = [name for name, root in roots.items() if root is None or not root.is_dir()]
    if len(missing) == len(roots) or (options.write and missing):
        parser.error(f"no checkout at --{', --'.join(missing)}")
    rows, wrong = table(cases(), roots, options.engine)
    rows += [f"| {what} | | | owed: {why} | |" for what, why in OWED]
    if options.write:
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_text(HEAD.format(engine=options.engine) + "\n".join(rows) + "\n", "utf-8")
    print(f"{wrong} not as expected" if wrong else "all as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
