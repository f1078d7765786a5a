"""What the verbs share: loading a file, choosing its kernels, making inputs, and turning errors into exit codes.

Exit codes: 0 all is well, 1 the kernel is wrong (findings or a mismatch), 2 the command line is wrong.
"""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click
from rich.console import Console

from nki_sim import targets
from nki_sim.cli.arrays import ArgumentSpec, make_value, parse_argument
from nki_sim.diagnostics.model import NkiSimError
from nki_sim.kernel import Kernel

F = TypeVar("F", bound=Callable[..., Any])

KERNEL_ERROR = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One kernel with the arguments it is to be called with.

    reference   NumPy function of the same arguments, or None when the file declares none
    tolerance   what its example allows, or None for the default
    """

    name: str
    kernel: Kernel
    arguments: tuple[Any, ...]
    reference: Callable[..., Any] | None = None
    tolerance: Any = None


def file_options(function: F) -> F:
    """The argument FILE[::KERNEL] and the options every verb on a file has."""
    decorators = (
        click.argument("file", metavar="FILE[::KERNEL]"),
        click.option("--arg", "args", multiple=True, metavar="NAME=VALUE",
                     help="An argument: NAME=128x512:bfloat16 (random array) or NAME=3 (static). Repeatable."),
        click.option("--target", type=click.Choice([*targets.NAMES, *targets.ALIASES]), default=None,
                     help="Hardware generation; otherwise the kernel's own, or trn2."),
        click.option("--seed", default=0, show_default=True, help="Seed of random inputs."),
    )  # fmt: skip
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def engine_option(function: F) -> F:
    return click.option(
        "--engine", type=click.Choice(["jit", "reference"]), default=None, help="Native code, or the NumPy reference."
    )(function)


def format_option(*formats: str) -> Callable[[F], F]:
    return click.option("--format", "format_", type=click.Choice(formats), default=formats[0], show_default=True)


def reporting_errors(function: F) -> F:
    """Print what nki_sim finds instead of a traceback, and exit with 1."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NkiSimError as error:
            from nki_sim.diagnostics.render import to_text

            click.echo(to_text(error.diagnostics, width=width()), err=True)
            sys.exit(KERNEL_ERROR)

    return wrapped  # type: ignore[return-value]


def width() -> int:
    """Columns of the terminal; 100 when the output is not one and COLUMNS is not set."""
    return shutil.get_terminal_size((100, 24)).columns


def console() -> Console:
    return Console(width=width(), soft_wrap=False, highlight=False)


def jobs(
    file: str, args: tuple[str, ...], *, target: str | None, engine: str | None = None, seed: int = 0
) -> list[Job]:
    """The kernels that FILE[::KERNEL] names, with their arguments."""
    path, _, wanted = file.partition("::")
    module = load(Path(path))
    found = kernels_of(module)
    if not found:
        raise click.UsageError(f"{path} has no kernel: no function decorated with @kernel or @nki.jit")
    if wanted and wanted not in found:
        raise click.UsageError(f"{path} has no kernel {wanted!r}; it has {', '.join(found)}")
    specs = [parse_argument(text) for text in args]
    changes = {name: value for name, value in (("target", target), ("engine", engine)) if value is not None}
    chosen = {wanted: found[wanted]} if wanted else found
    if specs and len(chosen) > 1:
        raise click.UsageError(f"--arg needs one kernel; name it: {path}::{next(iter(chosen))}")
    return [_job(path, module, name, k.with_options(**changes), specs, seed) for name, k in chosen.items()]


def load(path: Path) -> ModuleType:
    """Import a file with `nki` and `neuronxcc.nki` standing for nki_sim."""
    from nki_sim import compat

    if not path.is_file():
        raise click.UsageError(f"{path}: no such file")
    try:
        return compat.load_file(path)
    except NkiSimError:
        raise
    except SyntaxError as error:
        from nki_sim.frontend.parser import parse

        parse(path.read_text("utf-8"), file=str(path))
        raise click.UsageError(f"{path}:{error.lineno}: {error.msg}") from error
    except Exception as error:  # the file's own code may raise anything
        raise click.UsageError(f"{path} could not be imported: {type(error).__name__}: {error}") from error


def kernels_of(module: ModuleType) -> dict[str, Kernel]:
    """The kernels defined in a module, by name, in the order of the text."""
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Kernel) and value.function.__module__ == module.__name__
    }
    return dict(sorted(found.items(), key=lambda item: item[1].function.__code__.co_firstlineno))


def _job(path: str, module: ModuleType, name: str, kernel: Kernel, specs: list[ArgumentSpec], seed: int) -> Job:
    import numpy as np

    example = getattr(module, "EXAMPLES", {}).get(name)
    rng = np.random.default_rng(seed)
    if specs:
        values = {spec.name: make_value(spec, rng) for spec in specs}
        try:
            bound = kernel.signature.bind(**values)
        except TypeError as error:
            raise click.UsageError(f"{name}: {error}") from error
        bound.apply_defaults()
        return Job(name, kernel, tuple(bound.args))
    if example is None:
        parameters = ", ".join(kernel.signature.parameters)
        raise click.UsageError(
            f"{path} declares no example for {name}({parameters}); give each argument, such as"
            f" --arg {next(iter(kernel.signature.parameters), 'x')}=128x512:float32"
        )
    return Job(name, kernel, tuple(example.inputs(rng)), example.reference, getattr(example, "tolerance", None))
