"""`python -m nki_sim.compat FILE [ARGS]` or `-m MODULE [ARGS]`: run it with `nki` standing for nki_sim."""

from __future__ import annotations

import os
import runpy
import sys

from nki_sim.compat import install

USAGE = "usage: python -m nki_sim.compat FILE [ARG ...]\n       python -m nki_sim.compat -m MODULE [ARG ...]\n"


def main() -> None:
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        sys.exit(0)
    if not arguments or arguments == ["-m"]:
        sys.stderr.write(USAGE)
        sys.exit(2)
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        if os.getcwd() not in sys.path and "" not in sys.path:
            sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    if not os.path.exists(arguments[0]):
        sys.stderr.write(f"{arguments[0]}: no such file\n")
        sys.exit(2)
    sys.argv = arguments
    sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
    runpy.run_path(arguments[0], run_name="__main__")


main()
