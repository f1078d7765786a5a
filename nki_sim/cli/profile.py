"""nki-sim profile: simulated time of the kernel, engine by engine."""

from __future__ import annotations

import json

import click

from nki_sim.cli import common


@click.command()
@common.file_options
@common.format_option("text", "json")
@click.option("--trace", type=click.Path(dir_okay=False), help="Write a Chrome trace; open it in ui.perfetto.dev.")
@common.reporting_errors
def profile(file: str, args: tuple[str, ...], target: str | None, seed: int, format_: str, trace: str | None) -> None:
    """Time kernels on the model of the NeuronCore: engines, DMA queues, memories; where the time went and why."""
    chosen = common.jobs(file, args, target=target, seed=seed)
    if trace is not None and len(chosen) > 1:
        raise click.UsageError(f"--trace needs one kernel; name it: {file}::{chosen[0].name}")
    reports = []
    for job in chosen:
        found = job.kernel.profile(*job.arguments)
        if format_ == "text":
            common.console().print(found)
        reports.append(found.to_json())
        if trace is not None:
            from nki_sim.profiler.reporters.perfetto import write_trace

            write_trace(found, trace)
            click.echo(f"wrote {trace}; open it in https://ui.perfetto.dev", err=True)
    if format_ == "json":
        click.echo(json.dumps(reports[0] if len(reports) == 1 else reports, indent=2))
