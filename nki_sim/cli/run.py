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


@click.command()
@common.file_options
@common.engine_option
@click.option("--save", type=click.Path(dir_okay=False), help="Write the results to an .npz file.")
@common.reporting_errors
def run(file: str, args: tuple[str, ...], target: str | None, seed: int, engine: str | None, save: str | None) -> None:
    """Run kernels on this machine; compare with the reference the file declares, if it declares one."""
    wrong = False
    for job in common.jobs(file, args, target=target, engine=engine, seed=seed):
        started = time.perf_counter()
        result = job.kernel(*job.arguments)
        first_s = time.perf_counter() - started
        started = time.perf_counter()
        if job.kernel.program(*job.arguments).inputs and not any(
            t.written for t in job.kernel.program(*job.arguments).inputs
        ):
            job.kernel(*job.arguments)
        warm_s = time.perf_counter() - started
        outputs = result if isinstance(result, (tuple, list)) else () if result is None else (result,)
        click.echo(f"{job.name}({_shapes(job.arguments)}) on {job.kernel.options.target}, {job.kernel.options.engine}")
        for i, array in enumerate(outputs):
            click.echo(f"  result{i if len(outputs) > 1 else ''}: {_describe(array)}")
        click.echo(
            f"  first call {first_s * 1e3:.0f} ms (specialise, check, compile, run), again {warm_s * 1e3:.2f} ms"
        )
        if job.reference is not None:
            wrong = not _compare(job, job.reference) or wrong
        if save is not None:
            np.savez(save, *[np.asarray(a, np.float32) if a.dtype.kind == "V" else a for a in outputs])
    sys.exit(common.KERNEL_ERROR if wrong else 0)


def _compare(job: Job, reference: Callable[..., Any]) -> bool:
    from nki_sim.testing import assert_matches

    try:
        assert_matches(job.kernel, reference, *job.arguments, tolerance=job.tolerance)
    except AssertionError as error:
        click.echo(f"  differs from the NumPy reference\n{error}", err=True)
        return False
    click.echo("  matches the NumPy reference")
    return True


def _shapes(arguments: tuple[Any, ...]) -> str:
    return ", ".join(
        f"{a.dtype}[{', '.join(map(str, a.shape))}]" if isinstance(a, np.ndarray) else repr(a) for a in arguments
    )


def _describe(array: np.ndarray[Any, Any]) -> str:
    values = array.astype(np.float64)
    return (
        f"{array.dtype}[{', '.join(map(str, array.shape))}]  min {values.min():.6g}  max {values.max():.6g}"
        f"  mean {values.mean():.6g}"
    )
