"""nki-sim explain: what an instruction takes and costs, or what one source line was charged, and who says so."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import click

from nki_sim import targets
from nki_sim.cli import common

_PLACE = re.compile(r"(?P<file>.+?)(::(?P<kernel>\w+))?:(?P<line>\d+)")


@click.command()
@click.argument("what", metavar="INSTRUCTION | FILE[::KERNEL]:LINE")
@click.option(
    "--kernel",
    "reached_by",
    metavar="FILE[::KERNEL]",
    help="The kernel to run when LINE is in another file, such as one with helper functions.",
)
@click.option("--arg", "args", multiple=True, metavar="NAME=VALUE", help="An argument of the kernel, as for `profile`.")
@click.option(
    "--target",
    type=click.Choice([*targets.NAMES, *targets.ALIASES]),
    default=None,
    help=f"Hardware generation; otherwise the kernel's own, or {targets.DEFAULT}.",
)
@common.seed_option
@common.reporting_errors
def explain(what: str, reached_by: str | None, args: tuple[str, ...], target: str | None, seed: int) -> None:
    """Print an instruction's operands, limits, cost formula and sources; or, for what the kernel's line LINE issued,
    each charged term: formula, inputs, value and source."""
    place = _PLACE.fullmatch(what)
    if place is None:
        if args or reached_by:
            option = "--arg" if args else "--kernel"
            raise click.UsageError(f"{option} goes with FILE:LINE, not with an instruction")
        _instruction(what, target or targets.DEFAULT)
        return
    if reached_by and place["kernel"]:
        raise click.UsageError(f"two kernels are named: ::{place['kernel']} and --kernel {reached_by}")
    path = Path(place["file"])
    if not path.is_file():
        raise click.UsageError(f"{path}: {'this is a directory' if path.is_dir() else 'no such file'}")
    run = reached_by or (f"{path}::{place['kernel']}" if place["kernel"] else str(path))
    _line(run, path, int(place["line"]), args, target, seed)


def _instruction(what: str, target: str) -> None:
    from nki_sim.instructions.explain import explain as describe
    from nki_sim.instructions.table import SPECS

    name = what.removeprefix("nisa.").removeprefix("nki.isa.")
    if name not in SPECS:
        near = difflib.get_close_matches(name, SPECS, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(sorted(SPECS))}"
        raise click.UsageError(f"no instruction {what!r}{hint}")
    common.console().print(describe(name, targets.load(target)))


def _line(run: str, path: Path, line: int, args: tuple[str, ...], target: str | None, seed: int) -> None:
    from nki_sim.profiler.line_costs import explain_line, issuing_files, issuing_lines
    from nki_sim.profiler.reporters import line_costs
    from nki_sim.profiler.reporters.json import file_name

    issuing: set[int] = set()
    shown = False
    try:
        chosen = common.jobs(run, args, target=target, seed=seed)
    except common.NoKernel as error:
        if Path(run.partition("::")[0]) == path:
            hint = "name the one that reaches the line: --kernel FILE[::KERNEL]"
            raise click.UsageError(f"{error.message}; {hint}") from error
        raise
    files: dict[str, None] = {}
    for job in chosen:
        profile = job.kernel.profile(*job.arguments)
        found = explain_line(profile, path, line)
        issuing |= issuing_lines(profile, path)
        files.update(dict.fromkeys(issuing_files(profile)))
        if not found.charges:
            continue
        console = common.console()
        if shown:
            console.print("")
        shown = True
        for part in line_costs.render(found, job.name, profile.target.name):
            console.print(part)
    if not shown:
        near = ", ".join(str(n) for n in sorted(sorted(issuing, key=lambda n: abs(n - line))[:5]))
        hint = f"; lines nearby that did: {near}" if near else ""
        if not near:
            others = ", ".join(file_name(one) for one in files)
            hint = f", nor did any line of the file: the kernel's instructions come from {others}" if others else ""
            hint += "" if run != str(path) else "; --kernel FILE[::KERNEL] names a kernel of another file"
        raise click.UsageError(f"{path}:{line} issued no instruction{hint}")
