"""The gate: is a kernel slower than its saved profile? Simulated time is deterministic, so the answer is exact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nki_sim.profiler.compare import Comparison, LineChange, compare
from nki_sim.profiler.documents import Document, check_document
from nki_sim.profiler.words import time_text

_LINES_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether one kernel keeps to its baseline.

    slower_ratio   how much longer it takes: 0.02 is 2 % more, negative is faster
    limit_ratio    how much longer it may take
    """

    kernel: str
    slower_ratio: float
    limit_ratio: float
    comparison: Comparison

    @property
    def ok(self) -> bool:
        # A whisker of room for the decimal form of times in the file.
        return self.slower_ratio <= self.limit_ratio + 1e-12

    @property
    def grown(self) -> list[LineChange]:
        """Lines that take longer than before, on their lane or waiting, most first."""
        return [one for one in self.comparison.lines if max(one.busy.difference, one.stall.difference) >= 0.5]

    def lines(self) -> list[str]:
        """The verdict as text: one line, and the lines of the source that grew when it is too slow."""
        total = self.comparison.total
        if not total.difference:
            return [f"{self.kernel}: {time_text(total.after)}, as before"]
        how = f"{_percent(self.slower_ratio)} {_word(self.slower_ratio)}"
        text = f"{self.kernel}: {how}, {_from_to(total.before, total.after)}"
        if self.ok:
            return [text]
        found = [f"{text}; at most {_percent(self.limit_ratio)} slower is allowed"]
        for one in self.grown[:_LINES_NAMED]:
            found.append(f"  {one.after_at or one.before_at}  {'; '.join(_growth(one))}  {one.text}".rstrip())
        if not self.grown:
            found.append("  no line takes longer by itself; the order or the waits between them changed")
        if len(self.grown) > _LINES_NAMED:
            found.append(f"  and {len(self.grown) - _LINES_NAMED} more lines")
        if self.comparison.bottlenecks[0] != self.comparison.bottlenecks[1]:
            found += [f"  was: {self.comparison.bottlenecks[0]}", f"  now: {self.comparison.bottlenecks[1]}"]
        return found


def _growth(line: LineChange) -> list[str]:
    found = []
    for change, word in ((line.busy, "busy"), (line.stall, "waits")):
        if change.difference >= 0.5:
            found.append(f"{word} +{time_text(change.difference)} ({_from_to(change.before, change.after)})")
    return found


def _from_to(before: float, after: float) -> str:
    """Both times, with as many digits as it takes to tell them apart."""
    one, other = time_text(before), time_text(after)
    return f"{one} to {other}" if one != other or before == after else f"{before:.3f} ns to {after:.3f} ns"


def _percent(ratio: float) -> str:
    return f"{abs(100.0 * ratio):.3g} %"


def _word(ratio: float) -> str:
    return "slower" if ratio > 0 else "faster"


def judge(current: Document, baseline: Document, limit_ratio: float) -> Verdict:
    """Hold a fresh profile against its saved one. Raises ValueError when they are not of the same target."""
    check_document(baseline)
    if current["target"] != baseline["target"]:
        raise ValueError(f"the baseline is for {baseline['target']}, this run for {current['target']}")
    before, after = baseline["total_ns"], current["total_ns"]
    slower = after / before - 1.0 if before else (float("inf") if after else 0.0)
    return Verdict(
        kernel=current["kernel"],
        slower_ratio=slower,
        limit_ratio=limit_ratio,
        comparison=compare(baseline, current, ("baseline", "now")),
    )


def save(documents: Sequence[Document], path: str | Path) -> None:
    """Write one document, or a list of several."""
    value: Any = documents[0] if len(documents) == 1 else list(documents)
    Path(path).write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", "utf-8")


def load(path: str | Path) -> list[Document]:
    """The documents of a saved file. Raises ValueError for another kind of file."""
    try:
        value = json.loads(Path(path).read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {error}") from error
    documents = value if isinstance(value, list) else [value]
    if not documents:
        raise ValueError("it holds no profile")
    for document in documents:
        check_document(document)
    return documents


def find(documents: Sequence[Document], kernel: str) -> Document:
    """The document of a kernel. Raises ValueError with the kernels there are."""
    found: Mapping[str, Document] = {document["kernel"]: document for document in documents}
    if kernel not in found:
        raise ValueError(f"it has no kernel {kernel!r}; it has {', '.join(found)}")
    return found[kernel]


def parse_limit(text: str) -> float:
    """``1%`` or ``0.01`` as a ratio; from 1 on only with a percent sign, as 1 is meant as 1 %. Raises ValueError."""
    bare = text.strip()
    value = float(bare.removesuffix("%")) / 100.0 if bare.endswith("%") else float(bare)
    if not 0.0 <= value < (float("inf") if bare.endswith("%") else 1.0):
        raise ValueError(f"{text!r} is not a share such as 1% or 0.01")
    return value
