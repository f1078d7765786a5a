"""nki-sim run: run the kernel and hold the result against its reference."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from nki_sim.cli import common
from nki_sim.cli.common import Job

Array = np.ndarray[Any, Any]


@click.command()
@common.file_options
@common.engine_option
@click.option("--save", type=click.Path(dir_okay=False), help="Write the results to an .npz file.")
@common.reporting_errors
def run(file: str, args: tuple[str, ...], target: str | None, seed: int, engine: str | None, save: str | None) -> None:
    """Run kernels on this machine; compare with the reference the file declares, if it declares one."""
    chosen = common.jobs(file, args, target=target, engine=engine, seed=seed)
    if save is not None and len(chosen) > 1:
        raise click.UsageError(f"--save needs one kernel; name it: {file}::{chosen[0].name}")
    wrong = False
    for job in chosen:
        click.echo(f"{job.name}({_shapes(job.arguments)}) on {job.kernel.options.target}, {job.kernel.options.engine}")
        results, first_s, again_s = _timed(job)
        for name, array in results:
            click.echo(f"  {name}: {_describe(array)}")
        click.echo(
            f"  first call {first_s * 1e3:.0f} ms (specialise, check, compile, run), again {again_s * 1e3:.2f} ms"
        )
        if job.reference is not None:
            wrong = not _compare(job, job.reference) or wrong
        if save is not None:
            _save(save, results)
    sys.exit(common.KERNEL_ERROR if wrong else 0)


def _timed(job: Job) -> tuple[list[tuple[str, Array]], float, float]:
    """Results by name, and the seconds of the first and of a second call.

    Each call has arguments of its own: a kernel may write into them, and what it wrote is a result then.
    """
    first, second = _copied(job.arguments), _copied(job.arguments)
    started = time.perf_counter()
    result = job.kernel(*first)
    first_s = time.perf_counter() - started
    started = time.perf_counter()
    job.kernel(*second)
    again_s = time.perf_counter() - started
    if result is not None:
        arrays = list(result) if isinstance(result, (tuple, list)) else [result]
        names = [f"result{i}" for i in range(len(arrays))] if len(arrays) > 1 else ["result"]
        return list(zip(names, arrays, strict=True)), first_s, again_s
    bound = job.kernel.signature.bind(*first).arguments
    before = job.kernel.signature.bind(*job.arguments).arguments
    changed = [
        (f"{name}, written", value)
        for name, value in bound.items()
        if isinstance(value, np.ndarray) and value.tobytes() != before[name].tobytes()
    ]
    return changed, first_s, again_s


def _copied(arguments: Any) -> Any:
    """The same arguments with arrays of their own."""
    if isinstance(arguments, np.ndarray):
        return arguments.copy()
    if type(arguments) in (list, tuple):
        return type(arguments)(_copied(one) for one in arguments)
    return arguments


def _compare(job: Job, reference: Callable[..., Any]) -> bool:
    from nki_sim.testing import assert_matches

    try:
        assert_matches(job.kernel, reference, *job.arguments, tolerance=job.tolerance)
    except AssertionError as error:
        click.echo(f"  differs from the NumPy reference\n{error}", err=True)
        return False
    except ValueError as error:  # the two are not of a kind: no result, or another shape
        if common.own_error(error, job.kernel.function.__code__.co_filename) is not None:
            raise
        click.echo(f"  cannot be held against the NumPy reference: {error}", err=True)
        return False
    click.echo("  matches the NumPy reference")
    return True


def _save(path: str, results: list[tuple[str, Array]]) -> None:
    """Arrays of a type that .npz files lack, such as bfloat16, are written as float32."""
    plain = [array if array.dtype.isbuiltin == 1 else array.astype(np.float32) for _, array in results]
    try:
        np.savez(path, *plain)
    except OSError as error:
        raise click.ClickException(f"{path} could not be written: {error.strerror}") from error


def _shapes(arguments: tuple[Any, ...]) -> str:
    return ", ".join(
        f"{a.dtype}[{', '.join(map(str, a.shape))}]" if isinstance(a, np.ndarray) else repr(a) for a in arguments
    )


def _describe(array: Array) -> str:
    values = array.astype(np.float64)
    return (
        f"{array.dtype}[{', '.join(map(str, array.shape))}]  min {values.min():.6g}  max {values.max():.6g}"
        f"  mean {values.mean():.6g}"
    )
