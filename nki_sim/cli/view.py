"""nki-sim view: look around in a simulated run, in the terminal."""

from __future__ import annotations

import sys

import click

from nki_sim import targets
from nki_sim.cli import common


@click.command()
@common.file_options
@click.option("--against", metavar="FILE::KERNEL", help="A second kernel to show beside the first.")
@click.option(
    "--against-target",
    type=click.Choice([*targets.NAMES, *targets.ALIASES]),
    help="Show the run on this target beside the first.",
)
@common.reporting_errors
def view(
    file: str, args: tuple[str, ...], target: str | None, seed: int, against: str | None, against_target: str | None
) -> None:
    """Look around in a run: lanes, instruction costs, critical path, stalls, memory, source, advice; or in two runs."""
    chosen = [_one(file, args, target, seed)]
    if against is not None or against_target is not None:
        chosen.append(_one(against or file, args, against_target or target, seed))
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(f"view needs a terminal; `nki-sim profile {file}` prints a report")
    from nki_sim.profiler.app.app import view as show

    show([job.kernel.profile(*job.arguments) for job in chosen])


def _one(file: str, args: tuple[str, ...], target: str | None, seed: int) -> common.Job:
    jobs = common.jobs(file, args, target=target, seed=seed)
    if len(jobs) > 1:
        names = ", ".join(job.name for job in jobs)
        raise click.UsageError(f"{file} has several kernels ({names}); name one: {file}::{jobs[0].name}")
    return jobs[0]
