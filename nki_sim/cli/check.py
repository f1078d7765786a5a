"""nki-sim check: is the kernel legal for these shapes?"""

from __future__ import annotations

import json
import sys

import click

from nki_sim.cli import common
from nki_sim.diagnostics.model import Diagnostic


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
    from nki_sim.diagnostics import formats, render

    wrong = False
    everything: list[Diagnostic] = []
    for job in common.jobs(file, args, target=target, seed=seed):
        found = job.kernel.check(*job.arguments)
        errors = [d for d in found if d.severity == "error"]
        shown = [d for d in found if notes or d.severity != "note"]
        wrong = wrong or bool(errors)
        everything += shown
        if format_ == "text":
            if shown:
                click.echo(render.to_text(shown, width=common.width()))
            click.echo(_verdict(job.name, job.kernel.options.target, found, notes))
        if emit == "program" and not errors:
            click.echo(str(job.kernel.program(*job.arguments)))
    if format_ == "json":
        click.echo(json.dumps(formats.to_json(everything), indent=2))
    elif format_ == "github":
        click.echo(formats.to_github(everything))
    sys.exit(common.KERNEL_ERROR if wrong else 0)


def _verdict(name: str, target: str, found: list[Diagnostic], notes: bool) -> str:
    counts = {kind: sum(d.count for d in found if d.severity == kind) for kind in ("error", "warning", "note")}
    words = [f"{n} {kind}{'s' if n != 1 else ''}" for kind, n in counts.items() if n and kind != "note"]
    if counts["note"] and not notes:
        words.append(f"{counts['note']} note{'s' if counts['note'] != 1 else ''} (--notes shows them)")
    if counts["error"]:
        return f"{name}: refused for {target}: {', '.join(words)}"
    return f"{name}: legal for {target}" + (f"; {', '.join(words)}" if words else "")
