"""docs/fidelity.md: every point and claim beside what the model says, as Markdown that does not change by itself."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from benchmarks.fidelity import micro, whole
from benchmarks.fidelity.claims import CLAIMS
from benchmarks.fidelity.points import Point, Result, in_group, points
from benchmarks.fidelity.replay import Replayed, replay, runs
from benchmarks.fidelity.words import CHOICES, HEAD, LEADS, MISSING

QUICK = ("instructions", "dma", "replay")
TITLES = {
    "instructions": "trn2: instructions",
    "dma": "trn2: DMA",
    "replay": "trn2: trace replay",
    "kernels": "trn2: kernels from source",
    "trn1": "trn1",
}
AIMS = {
    "instructions": "3 %",
    "dma": "3 %",
    "replay": "3 % end to end",
    "kernels": "10 % median, 25 % worst",
    "trn1": "15 % median",
}


def results(group: str) -> list[Result]:
    """Every point of a group with its simulated value."""
    if group == "replay":
        return [Result(point, replayed(point).body_ns) for point in in_group(group)]
    measures = {**micro.MEASURES, **whole.MEASURES}
    return [Result(point, measures[point.id]()) for point in in_group(group)]


def replayed(point: Point) -> Replayed:
    return replay(runs()[point.id.removeprefix("F-")])


def section(group: str, found: Sequence[Result]) -> str:
    """A group's heading, lead and table."""
    extra = {"replay": " completion |", "kernels": " over all phases |"}.get(group, "")
    lines = [
        f"## {TITLES[group]}",
        "",
        LEADS[group],
        "",
        f"| point | what | published | simulated | error |{extra} note |",
        f"|---|---|---:|---:|---:|{'---:|' if extra else ''}---|",
    ]
    for result in found:
        point = result.point
        cells = [
            point.id,
            point.what,
            f"{_figure(point.published)} {point.unit}",
            _figure(result.simulated),
            _percent(result.error),
        ]
        if group == "replay":
            errors = replayed(point).end_errors_ns()
            cells.append(f"{np.median(np.abs(errors)):.0f} ns")
        elif group == "kernels":
            spread = whole.errors_over_phases(point)
            cells.append(f"{100 * min(spread):+.0f} to {100 * max(spread):+.0f} %" if spread else "")
        lines.append("| " + " | ".join([*cells, point.note]) + " |")
    return "\n".join(lines) + "\n"


def summary(everything: dict[str, list[Result]]) -> str:
    """Medians and worst cases by group."""
    lines = ["| group | points | median error | worst | aim |", "|---|---:|---:|---:|---|"]
    for group, found in everything.items():
        errors = [abs(result.error) for result in found]
        worst = max(found, key=lambda result: abs(result.error))
        lines.append(
            f"| {TITLES[group]} | {len(found)} | {100 * median(errors):.1f} % "
            f"| {_percent(worst.error)} ({worst.point.id}) | {AIMS[group]} |"
        )
    return "\n".join(lines) + "\n"


def claims_section() -> str:
    lines = [
        "## Relative claims",
        "",
        "How many times as long the first takes as the second.",
        "",
        "| claim | published | simulated | order | source | note |",
        "|---|---:|---:|---|---|---|",
    ]
    for claim in CLAIMS:
        published = f"{claim.published:.2f}"
        if claim.ratio is None:
            lines.append(f"| {claim.what} | {published} | – | not reached | {claim.source} | {claim.note} |")
            continue
        simulated = claim.ratio()
        agrees = "as published" if claim.agrees(simulated) else "**not as published**"
        lines.append(f"| {claim.what} | {published} | {simulated:.2f} | {agrees} | {claim.source} | {claim.note} |")
    return "\n".join(lines) + "\n"


def unreached_section() -> str:
    lines = [
        "## Not reached",
        "",
        "Points of the same trust that no kernel here reproduces, and why.",
        "",
        "| point | what | published | why |",
        "|---|---|---:|---|",
    ]
    for point in in_group("unreached"):
        lines.append(f"| {point.id} | {point.what} | {_figure(point.published)} {point.unit} | {point.note} |")
    return "\n".join(lines) + "\n"


def sources() -> str:
    lines = ["## Sources", ""]
    seen: dict[str, list[str]] = {}
    for point in points():
        seen.setdefault(point.source, []).append(point.id.split("/")[0])
    for source, ids in seen.items():
        names = list(dict.fromkeys(ids))
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        lines.append(f"- {source}: {shown}")
    return "\n".join(lines) + "\n"


def document() -> str:
    """The whole page. Simulates every point: about a minute."""
    everything = {group: results(group) for group in TITLES}
    parts = [
        HEAD,
        summary(everything),
        *(section(group, found) for group, found in everything.items()),
        claims_section(),
        unreached_section(),
        CHOICES,
        MISSING,
        sources(),
    ]
    return "\n".join(parts)


def _percent(error: float) -> str:
    """One decimal with its sign; no negative zero."""
    return f"{round(100 * error, 1) + 0.0:+.1f} %"


def _figure(value: float) -> str:
    """Four significant digits, as plain digits with thousands separated."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
