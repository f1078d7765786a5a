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
@click.option("--arg", "args", multiple=True, metavar="NAME=VALUE", help="An argument of the kernel, as for `profile`.")
@click.option(
    "--target",
    type=click.Choice([*targets.NAMES, *targets.ALIASES]),
    default=None,
    help=f"Hardware generation; otherwise the kernel's own, or {targets.DEFAULT}.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of random inputs.")
@common.reporting_errors
def explain(what: str, args: tuple[str, ...], target: str | None, seed: int) -> None:
    """Print an instruction's operands, limits, cost formula and sources; or, for what the kernel's line LINE issued,
    each charged term: formula, inputs, value and source."""
    place = _PLACE.fullmatch(what)
    if place is None:
        if args:
            raise click.UsageError("--arg goes with FILE:LINE, not with an instruction")
        _instruction(what, target or targets.DEFAULT)
        return
    kernel = f"::{place['kernel']}" if place["kernel"] else ""
    _line(place["file"] + kernel, int(place["line"]), args, target, seed)


def _instruction(what: str, target: str) -> None:
    from nki_sim.instructions.explain import explain as describe
    from nki_sim.instructions.table import SPECS

    name = what.removeprefix("nisa.").removeprefix("nki.isa.")
    if name not in SPECS:
        near = difflib.get_close_matches(name, SPECS, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(sorted(SPECS))}"
        raise click.UsageError(f"no instruction {what!r}{hint}")
    common.console().print(describe(name, targets.load(target)))


def _line(file: str, line: int, args: tuple[str, ...], target: str | None, seed: int) -> None:
    from nki_sim.profiler.line_costs import explain_line, issuing_lines
    from nki_sim.profiler.reporters import line_costs

    path = Path(file.partition("::")[0])
    issuing: set[int] = set()
    shown = False
    for job in common.jobs(file, args, target=target, seed=seed):
        profile = job.kernel.profile(*job.arguments)
        found = explain_line(profile, path, line)
        issuing |= issuing_lines(profile, path)
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
        raise click.UsageError(f"{path}:{line} issued no instruction{hint}")
