"""What the verbs share: loading a file, choosing its kernels, making inputs, and turning errors into exit codes.

Exit codes: 0 all is well, 1 the kernel is wrong (findings or a mismatch), 2 the command line is wrong.
"""

from __future__ import annotations

import functools
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click
from rich.console import Console

from nki_sim import targets
from nki_sim.cli.arrays import ArgumentSpec, make_value, parse_argument
from nki_sim.diagnostics.model import Diagnostic, KernelError, NkiSimError
from nki_sim.kernel import Kernel

F = TypeVar("F", bound=Callable[..., Any])

KERNEL_ERROR = 1


class NoKernel(click.UsageError):
    """The file was read, but defines no kernel."""


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


def seed_option(function: F) -> F:
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of random inputs."
    )(function)


def file_options(function: F) -> F:
    """The argument FILE[::KERNEL] and the options every verb on a file has."""
    decorators = (
        click.argument("file", metavar="FILE[::KERNEL]"),
        click.option("--arg", "args", multiple=True, metavar="NAME=VALUE",
                     help="An argument: NAME=128x512:bfloat16 (random array) or NAME=3 (static). Repeatable."),
        click.option("--target", type=click.Choice([*targets.NAMES, *targets.ALIASES]), default=None,
                     help="Hardware generation; otherwise the kernel's own, or trn2."),
        seed_option,
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
    """Print what nki_sim finds, or what the file's own code raises, instead of a traceback, and exit with 1.

    An exception that never was in FILE is a mistake of nki_sim's and keeps its traceback.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NkiSimError as error:
            click.echo(text_of(error.diagnostics), err=True)
            sys.exit(KERNEL_ERROR)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # the file's own code may raise anything
            # Whatever was given on the command line may be the file whose code it was.
            given = [value for value in kwargs.values() if isinstance(value, str)]
            known = next((found for text in given for found in [own_error(error, text)] if found is not None), None)
            if known is None:
                raise
            click.echo(text_of(known.diagnostics), err=True)
            sys.exit(KERNEL_ERROR)

    return wrapped  # type: ignore[return-value]


def text_of(diagnostics: Sequence[Diagnostic]) -> str:
    """Findings as they are shown on this terminal."""
    from nki_sim.diagnostics.render import to_text

    return to_text(diagnostics, width=width())


def own_error(error: Exception, file: str) -> NkiSimError | None:
    """An exception that the code of FILE, FILE::KERNEL or FILE:LINE let out, as a finding at its line.

    None when FILE is not in its traceback.
    """
    from nki_sim.frontend.trouble import spans_of_traceback

    path = str(Path(re.sub(r"(::\w*)?(:\d+)?$", "", file)).resolve())
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    if trace is None:
        return None
    spans = spans_of_traceback(error, trace.tb_frame.f_code)
    return KernelError((Diagnostic(code="kernel-exception", message=f"{type(error).__name__}: {error}", spans=spans),))


def width() -> int:
    """Columns of the terminal; 100 when the output is not one and COLUMNS is not set."""
    return shutil.get_terminal_size((100, 24)).columns


def console() -> Console:
    return Console(width=width(), soft_wrap=False, highlight=False)


def jobs(
    file: str, args: tuple[str, ...], *, target: str | None, engine: str | None = None, seed: int = 0
) -> list[Job]:
    """The kernels that FILE[::KERNEL] names, with their arguments.

    Of a whole file, kernels without example inputs are left out, with a word on stderr, if others have some.
    """
    name, _, wanted = file.partition("::")
    path = Path(name)
    specs = [parse_argument(text) for text in args]
    module = load(path)
    chosen = _chosen(module, path, wanted)
    if specs and len(chosen) > 1:
        raise click.UsageError(f"--arg needs one kernel; name it: {path}::{next(iter(chosen))}")
    examples = _examples(module, path)
    without = [] if specs else [name for name, kernel in chosen.items() if name not in examples and _needs(kernel)]
    if without and len(without) < len(chosen):
        click.echo(f"no example inputs, left out: {', '.join(without)}", err=True)
    elif without:
        raise click.UsageError(_no_example(path, without[0], chosen[without[0]]))
    changes = {name: value for name, value in (("target", target), ("engine", engine)) if value is not None}
    return [
        _job(name, kernel.with_options(**changes), specs, examples.get(name), seed)
        for name, kernel in chosen.items()
        if name not in without
    ]


def load(path: Path) -> ModuleType:
    """Import a file with `nki` and `neuronxcc.nki` standing for nki_sim.

    Raises UsageError when it is not there or cannot be imported, LanguageError when it is not Python.
    """
    from nki_sim import compat

    if not path.is_file():
        raise click.UsageError(f"{path}: {'this is a directory' if path.is_dir() else 'no such file'}")
    try:
        return compat.load_file(path)
    except NkiSimError:
        raise
    except SyntaxError as error:
        raise _syntax_error(path, error) from error
    except (Exception, SystemExit) as error:  # the file's own code may raise anything
        where = _line_of(error, path)
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise click.UsageError(f"{path} could not be imported{where}: {text}") from error


def kernels_of(module: ModuleType) -> dict[str, Kernel]:
    """The kernels defined in a module, by name, in the order of the text."""
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Kernel) and value.function.__module__ == module.__name__
    }
    return dict(sorted(found.items(), key=lambda item: item[1].function.__code__.co_firstlineno))


def _chosen(module: ModuleType, path: Path, wanted: str) -> dict[str, Kernel]:
    """The kernel called `wanted`, imported ones included; without a name all that the file defines."""
    named = getattr(module, wanted, None) if wanted else None
    if isinstance(named, Kernel):
        return {wanted: named}
    found = kernels_of(module)
    if not found:
        raise NoKernel(f"{path} has no kernel: no function decorated with @kernel or @nki.jit")
    if wanted:
        raise click.UsageError(f"{path} has no kernel {wanted!r}; it has {', '.join(found)}")
    return found


def _syntax_error(path: Path, error: SyntaxError) -> Exception:
    """What is wrong in the text: our parser's words if it stumbles over the same line, else Python's."""
    from nki_sim.diagnostics.model import LanguageError
    from nki_sim.frontend.parser import parse
    from nki_sim.program.spans import SourceSpan

    file = Path(error.filename or path)
    if not file.is_file() or not error.lineno:
        return click.UsageError(f"{path} could not be imported: {error}")
    try:
        parse(file.read_text("utf-8"), file=str(file))
    except UnicodeDecodeError:
        return click.UsageError(f"{file} is not UTF-8 text: {error.msg}")
    except LanguageError as ours:
        span = ours.diagnostics[0].span
        if span is not None and span.line == error.lineno:
            return ours
    column = error.offset or 0
    end_column = error.end_offset or 0
    if end_column <= column:
        end_column = column + 1 if column else 0
    place = SourceSpan(str(file), error.lineno, column, error.end_lineno or error.lineno, end_column)
    return LanguageError((Diagnostic(code="language-syntax", message=f"Python: {error.msg}", spans=(place,)),))


def _line_of(error: BaseException, path: Path) -> str:
    """``, line 3`` for the last line of the file that the exception passed through."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path.resolve()):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""


def _examples(module: ModuleType, path: Path) -> Mapping[str, Any]:
    """The file's EXAMPLES; a declaration of another form is a mistake in the file."""
    found = getattr(module, "EXAMPLES", {})
    if not isinstance(found, Mapping) or not all(callable(getattr(one, "inputs", None)) for one in found.values()):
        raise click.UsageError(f"EXAMPLES in {path} must be a dictionary: kernel name -> nki_sim.testing.Example")
    return found


def _needs(kernel: Kernel) -> bool:
    """Whether a call without arguments is wrong."""
    try:
        kernel.signature.bind()
    except TypeError:
        return True
    return False


def _no_example(path: Path, name: str, kernel: Kernel) -> str:
    parameters = list(kernel.signature.parameters)
    example = f"--arg {parameters[0] if parameters else 'x'}=128x512:float32"
    return (
        f"{path} declares no example for {name}({', '.join(parameters)}); give each argument, such as {example},"
        " or write EXAMPLES into the file"
    )


def _job(name: str, kernel: Kernel, specs: list[ArgumentSpec], example: Any, seed: int) -> Job:
    import numpy as np

    rng = np.random.default_rng(seed)
    if not specs and example is not None:
        values = example.inputs(rng)
        if not isinstance(values, tuple):
            raise click.UsageError(f"EXAMPLES[{name!r}]: inputs must return a tuple, not a {type(values).__name__}")
        return Job(name, kernel, values, example.reference, getattr(example, "tolerance", None))
    repeated = [spec.name for spec in specs if sum(spec.name == other.name for other in specs) > 1]
    if repeated:
        raise click.UsageError(f"--arg {repeated[0]} is given more than once")
    known = {spec.name: make_value(spec, rng) for spec in specs}
    try:
        bound = kernel.signature.bind(**known)
    except TypeError as error:
        raise click.UsageError(f"{name}{kernel.signature}: {error}") from error
    if bound.kwargs:
        raise click.UsageError(f"{name}: {next(iter(bound.kwargs))} is keyword-only; --arg cannot give it")
    bound.apply_defaults()
    return Job(name, kernel, tuple(bound.args))
