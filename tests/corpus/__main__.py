"""Runs public kernels unmodified and writes the table: python -m tests.corpus --sdk DIR --samples DIR [--write]."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nki_sim import NkiSimError, compat
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
    """Run one case on one engine."""
    started = time.perf_counter()
    environment = dict(os.environ)
    try:
        module = compat.load_file(root / case.path)
        kernel: Kernel = getattr(module, case.kernel).with_options(engine=engine)
        arguments = case.inputs(np.random.default_rng(0))
        result = kernel(*arguments)
    except (NkiSimError, SyntaxError, NameError) as error:
        text = str(error)
        ok = case.expect in ("refused", "broken") and case.word in text
        first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
        return Outcome(ok, f"{case.expect}: {first}" if ok else first, time.perf_counter() - started)
    finally:
        # One example sets the target in the environment; the next must not inherit it.
        os.environ.clear()
        os.environ.update(environment)
    seconds = time.perf_counter() - started
    if case.expect != "match" or case.reference is None:
        return Outcome(False, "ran, but should have been refused", seconds)
    error = _difference(result, case.reference(*arguments))
    return Outcome(error <= case.relative, f"{error:.1e} of {case.relative:.1e}", seconds)


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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--sdk", type=Path, help="a checkout of aws-neuron/aws-neuron-sdk")
    parser.add_argument("--samples", type=Path, help="a checkout of aws-neuron/nki-samples")
    parser.add_argument("--engine", choices=("jit", "reference"), default="jit")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    options = parser.parse_args()
    roots = {"sdk": options.sdk, "samples": options.samples}
    rows = [
        "| file | kernel | sizes | outcome (largest relative difference of allowed) | ok |",
        "|---|---|---|---|---|",
    ]
    wrong = 0
    for case in cases():
        root = roots[case.repo]
        if root is None:
            continue
        outcome = run(case, root, options.engine)
        wrong += not outcome.ok
        mark = "yes" if outcome.ok else "NO"
        cell = outcome.text.replace("|", "\\|")
        rows.append(f"| {case.repo}: {case.path} | `{case.kernel}` | {case.sizes} | {cell} | {mark} |")
        place = f"{case.repo}:{case.path}::{case.kernel}"
        print(f"{'ok ' if outcome.ok else 'BAD'} {place}  {outcome.text}  {outcome.seconds:.1f} s")
    rows += [f"| {what} | | | owed: {why} | |" for what, why in OWED]
    if options.write:
        head = HEAD.format(engine=options.engine)
        TABLE.write_text(head + "\n".join(rows) + "\n", "utf-8")
    print(f"{wrong} not as expected" if wrong else "all as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
