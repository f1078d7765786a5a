"""nki-sim check: is the kernel legal for these shapes?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from nki_sim.cli import common
from nki_sim.diagnostics.model import Diagnostic, NkiSimError


@click.command()
@common.file_options
@common.format_option("text", "json", "github")
@click.option("--emit", type=click.Choice(["program"]), help="Print the specialised program as assembly.")
@click.option("--notes/--no-notes", default=False, help="Show notes too, not only errors and warnings.")
@common.reporting_errors
def check(
    file: str, args: tuple[str, ...], target: str | None, seed: int, format_: str, emit: str | None, notes: bool
) -> None:
    """Check kernels without running them: language, shapes, dtypes, placement, capacity, undefined data."""
    if emit is not None and format_ != "text":
        raise click.UsageError(f"--emit prints text; it does not go with --format {format_}")
    everything: list[Diagnostic] = []
    refused: list[str] = []
    chosen: list[common.Job] = []
    try:
        chosen = common.jobs(file, args, target=target, seed=seed)
    except NkiSimError as error:  # the file cannot be read; other formats report that like any finding
        if format_ == "text":
            raise
        everything += error.diagnostics
        refused.append(file)
    for job in chosen:
        found = job.kernel.check(*job.arguments)
        shown = [d for d in found if notes or d.severity != "note"]
        everything += shown
        if _errors(found):
            refused.append(job.name)
        if format_ == "text":
            if shown:
                click.echo(common.text_of(shown))
            click.echo(_verdict(job.name, job.kernel.options.target, found, notes))
        if emit == "program" and not _errors(found):
            click.echo(str(job.kernel.program(*job.arguments)))
    if format_ == "json":
        from nki_sim.diagnostics.formats import to_json

        click.echo(json.dumps(to_json(everything), indent=2))
    elif format_ == "github" and everything:
        from nki_sim.diagnostics.formats import to_github

        click.echo(to_github(everything))
    elif format_ == "text" and len(chosen) > 1:
        legal = len(chosen) - len(refused)
        click.echo(f"{len(chosen)} kernels: {legal} legal" + (f", {len(refused)} refused" if refused else ""))
    sys.exit(common.KERNEL_ERROR if refused else 0)


def _errors(found: Sequence[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in found)


def _verdict(name: str, target: str, found: list[Diagnostic], notes: bool) -> str:
    counts = {kind: sum(d.count for d in found if d.severity == kind) for kind in ("error", "warning", "note")}
    words = [_counted(counts[kind], kind) for kind in ("error", "warning") if counts[kind]]
    if counts["note"] and not notes:
        words.append(f"{_counted(counts['note'], 'note')} (--notes shows {'it' if counts['note'] == 1 else 'them'})")
    if counts["error"]:
        return f"{name}: refused for {target}: {', '.join(words)}"
    return f"{name}: legal for {target}" + (f"; {', '.join(words)}" if words else "")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
