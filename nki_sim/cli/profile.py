"""nki-sim profile: simulated time of the kernel, engine by engine; files of it; the gate against a saved profile."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from nki_sim.cli import common
from nki_sim.cli.common import Job

F = TypeVar("F", bound=Callable[..., Any])


def _file_outputs(function: F) -> F:
    path = click.Path(dir_okay=False)
    decorators = (
        click.option("--trace", type=path, metavar="FILE", help="Write a Chrome trace; open it in ui.perfetto.dev."),
        click.option("--html", type=path, metavar="FILE", help="Write one self-contained HTML page."),
        click.option("--csv", type=click.Path(file_okay=False), metavar="DIRECTORY", help="Write CSV tables."),
        click.option("--save", type=path, metavar="FILE", help="Write the profile as JSON, to compare with later."),
    )  # fmt: skip
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


@click.command()
@common.file_options
@common.format_option("text", "json")
@click.option("--full", is_flag=True, help="Show definitions, findings, critical path, roofline and memory too.")
@_file_outputs
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="Compare with a profile written by --save.")  # fmt: skip
@click.option("--fail-if-slower", metavar="SHARE", help="With --baseline: exit with 1 when slower by more, such as 1%.")
@common.reporting_errors
def profile(
    file: str,
    args: tuple[str, ...],
    target: str | None,
    seed: int,
    format_: str,
    full: bool,
    trace: str | None,
    html: str | None,
    csv: str | None,
    save: str | None,
    baseline: str | None,
    fail_if_slower: str | None,
) -> None:
    """Time kernels on the model of the NeuronCore: engines, DMA queues, memories; where the time went and why."""
    from nki_sim.profiler.reporters.json import to_json

    limit = _limit(fail_if_slower, baseline)
    saved = None if baseline is None else _saved(baseline)
    chosen = common.jobs(file, args, target=target, seed=seed)
    outputs = {"--trace": trace, "--html": html, "--csv": csv}
    for option, path in {**outputs, "--save": save}.items():
        if path == "":
            raise click.UsageError(f"{option} needs a name")
    for option, path in outputs.items():
        if path is not None and len(chosen) > 1:
            raise click.UsageError(f"{option} needs one kernel; name it: {file.partition('::')[0]}::{chosen[0].name}")
    reports = []
    for job in chosen:
        found = job.kernel.profile(*job.arguments)
        if format_ == "text":
            _print(found, full)
        if format_ == "json" or save is not None or saved is not None:
            # The gate reads no advice; its replays would only make it wait.
            reports.append(to_json(found, advice=format_ == "json" or save is not None))
        try:
            _write(found, outputs)
        except OSError as error:
            raise click.UsageError(f"cannot write {error.filename}: {error.strerror}") from error
    if format_ == "json":
        click.echo(json.dumps(reports[0] if len(reports) == 1 else reports, indent=2, allow_nan=False))
    # Judge before saving: --save may name the baseline's own file.
    wrong = baseline is not None and not _judge(chosen, reports, baseline, saved or [], limit)
    if save is not None:
        from nki_sim.profiler import baseline as gate

        try:
            gate.save(reports, save)
        except OSError as error:
            raise click.UsageError(f"cannot write {save}: {error.strerror}") from error
        click.echo(f"wrote {save}", err=True)
    sys.exit(common.KERNEL_ERROR if wrong else 0)


def _print(found: Any, full: bool) -> None:
    console = common.console()
    for part in found.render(common.width(), full=full):
        console.print(part)


def _write(found: Any, outputs: dict[str, str | None]) -> None:
    trace, html, csv = outputs["--trace"], outputs["--html"], outputs["--csv"]
    if trace is not None:
        from nki_sim.profiler.reporters.perfetto import TraceTruncated, write_trace

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TraceTruncated)
            write_trace(found, trace)
        for one in caught:
            click.echo(f"warning: {one.message}", err=True)
        click.echo(f"wrote {trace}; open it in https://ui.perfetto.dev", err=True)
    if html is not None:
        from nki_sim.profiler.reporters.html import write_page

        write_page(found, html)
        click.echo(f"wrote {html}", err=True)
    if csv is not None:
        from nki_sim.profiler.reporters.csv import write_csv

        names = [path.name for path in write_csv(found, csv)]
        click.echo(f"wrote {csv}: {', '.join(names)}", err=True)


def _limit(text: str | None, baseline: str | None) -> float | None:
    from nki_sim.profiler.baseline import parse_limit

    if text is None:
        return None
    if baseline is None:
        raise click.UsageError("--fail-if-slower needs --baseline FILE, written by --save")
    try:
        return parse_limit(text)
    except ValueError as error:
        raise click.UsageError(f"--fail-if-slower {text}: not a share such as 1% or 0.01") from error


def _saved(baseline: str) -> list[Any]:
    """The profiles of the baseline's file; read first, for a wrong file is told before the kernels are run."""
    from nki_sim.profiler import baseline as gate

    try:
        return gate.load(baseline)
    except ValueError as error:
        raise click.UsageError(f"--baseline {baseline}: {error}") from error
    except OSError as error:
        raise click.UsageError(f"cannot read {baseline}: {error.strerror}") from error


def _judge(
    chosen: Sequence[Job],
    reports: Sequence[dict[str, Any]],
    baseline: str,
    documents: Sequence[Any],
    limit: float | None,
) -> bool:
    """Print the verdict on each kernel; whether all keep to the limit."""
    from nki_sim.profiler import baseline as gate

    ok = True
    for job, report in zip(chosen, reports, strict=True):
        try:
            saved = gate.find(documents, report["kernel"])
            verdict = gate.judge(report, saved, float("inf") if limit is None else limit)
        except ValueError as error:
            raise click.UsageError(f"--baseline {Path(baseline)}, {job.name}: {error}") from error
        for line in verdict.lines():
            click.echo(line, err=not verdict.ok)
        ok = ok and verdict.ok
    return ok
