"""`python -m nki_sim.cli`: the command line without the installed script."""

from nki_sim.cli import main

main(prog_name="nki-sim")
