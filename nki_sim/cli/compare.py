"""nki-sim compare: two kernels or saved profiles side by side: what changed, where and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from nki_sim import targets
from nki_sim.cli import common

_TARGETS = click.Choice([*targets.NAMES, *targets.ALIASES])


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--arg", "args", multiple=True, metavar="NAME=VALUE", help="An argument of both kernels.")
@click.option("--target", type=_TARGETS, default=None, help="Hardware generation of both.")
@click.option("--target-b", type=_TARGETS, default=None, help="Hardware generation of B when it is another.")
@common.seed_option
@common.format_option("text", "json")
@common.reporting_errors
def compare(
    before: str,
    after: str,
    args: tuple[str, ...],
    target: str | None,
    target_b: str | None,
    seed: int,
    format_: str,
) -> None:
    """Compare the simulated time of A and B: each FILE[::KERNEL], or a profile written by `nki-sim profile --save`.

    Says what changed, where (engine, instruction, source line) and why (waits, transfers, reloads).
    """
    from nki_sim.profiler.compare import compare as side_by_side
    from nki_sim.profiler.reporters import comparison

    one = _documents(before, args, target, seed)
    other = _documents(after, args, target_b or target, seed)
    first, second = _pair(before, one, after, other)
    found = side_by_side(first, second, _names(before, first, after, second))
    if format_ == "json":
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    console = common.console()
    for part in comparison.render(found, common.width()):
        console.print(part)


def _documents(what: str, args: tuple[str, ...], target: str | None, seed: int) -> list[Any]:
    from nki_sim.profiler import baseline

    name = what.partition("::")[0]
    if name.endswith(".json"):
        if not Path(name).is_file():
            raise click.UsageError(f"{name}: no such file")
        try:
            documents = list(baseline.load(name))
            wanted = what.partition("::")[2]
            return [baseline.find(documents, wanted)] if wanted else documents
        except ValueError as error:
            raise click.UsageError(f"{name}: {error}") from error
    from nki_sim.profiler.reporters.json import to_json

    chosen = common.jobs(what, args, target=target, seed=seed)
    return [to_json(job.kernel.profile(*job.arguments), advice=False) for job in chosen]


def _pair(before: str, one: Sequence[Any], after: str, other: Sequence[Any]) -> tuple[Any, Any]:
    """One document of each side: the only one, or the one whose kernel has the name of the other side's."""
    if len(one) == 1 and len(other) == 1:
        return one[0], other[0]
    names = [document["kernel"] for document in one]
    shared = [document["kernel"] for document in other if document["kernel"] in names]
    if len(shared) != 1:
        many = before if len(one) > 1 else after
        there = ", ".join(document["kernel"] for document in (one if len(one) > 1 else other))
        raise click.UsageError(f"{many} has several kernels ({there}); name one: {many}::KERNEL")
    return next(d for d in one if d["kernel"] == shared[0]), next(d for d in other if d["kernel"] == shared[0])


def _names(before: str, first: Any, after: str, second: Any) -> tuple[str, str]:
    """Short names that differ: the kernels, else the files, else the targets, else A and B."""
    candidates = [
        (first["kernel"], second["kernel"]),
        (Path(before.partition("::")[0]).stem, Path(after.partition("::")[0]).stem),
        (first["target"], second["target"]),
    ]
    return next((pair for pair in candidates if pair[0] != pair[1]), ("A", "B"))
