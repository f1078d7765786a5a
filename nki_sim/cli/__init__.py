"""The command line: `nki-sim check | run | profile | explain | compare`. One file per verb."""

from __future__ import annotations

import click

from nki_sim import __version__
from nki_sim.cli.check import check
from nki_sim.cli.compare import compare
from nki_sim.cli.explain import explain
from nki_sim.cli.profile import profile
from nki_sim.cli.run import run
from nki_sim.cli.view import view


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="nki-sim")
def main() -> None:
    """Check, run and time AWS NKI kernels on this machine.

    FILE is a Python file; FILE::KERNEL names one kernel in it. Files written for `import nki` or `neuronxcc.nki` run
    unmodified. Inputs come from the file's EXAMPLES, or from --arg.
    """


main.add_command(check)
main.add_command(run)
main.add_command(profile)
main.add_command(explain)
main.add_command(compare)
main.add_command(view)
