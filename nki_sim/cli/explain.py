"""nki-sim explain: what an instruction takes, what it costs, and who says so."""

from __future__ import annotations

import difflib

import click

from nki_sim import targets
from nki_sim.cli import common


@click.command()
@click.argument("instruction")
@click.option(
    "--target", type=click.Choice([*targets.NAMES, *targets.ALIASES]), default=targets.DEFAULT, show_default=True
)
def explain(instruction: str, target: str) -> None:
    """Print an instruction's operands, limits on each target, cost formula and sources."""
    from nki_sim.instructions.explain import explain as describe
    from nki_sim.instructions.table import SPECS

    name = instruction.removeprefix("nisa.").removeprefix("nki.isa.")
    if name not in SPECS:
        near = difflib.get_close_matches(name, SPECS, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(sorted(SPECS))}"
        raise click.UsageError(f"no instruction {instruction!r}{hint}")
    common.console().print(describe(name, targets.load(target)))
