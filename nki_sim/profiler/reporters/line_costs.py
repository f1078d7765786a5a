"""The costs of one source line as text: each charged term with its formula, inputs, value and source."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.line_costs import Charge, LineCost, Phase, Term
from nki_sim.profiler.words import percent, place_text, time_text

_SIGNALS = 3
_VALUE_WIDTH = 22


def render(found: LineCost, kernel: str, target: str) -> Iterator[RenderableType]:
    """The line, then instruction by instruction what it is charged, then what it waited for."""
    head = Text(f"{found.file}:{found.line}", style="bold")
    head.append(f"  in {kernel} on {target}", style="dim")
    yield head
    if found.text:
        yield Text("  " + found.text, no_wrap=True, overflow="ellipsis")
    for charge in found.charges:
        yield ""
        yield from _charge(charge, found)
    if found.stalls:
        yield ""
        yield from _waits(found)


def _charge(charge: Charge, found: LineCost) -> Iterator[RenderableType]:
    times = "execution" if charge.executions == 1 else "executions"
    share = f", {percent(charge.taken_ns / found.total_ns)} of the run" if found.total_ns else ""
    head = Text(charge.instruction.op, style="bold")
    head.append(f", {charge.lane}: {charge.executions:,} {times}, {time_text(charge.taken_ns)} in all{share}", "")
    yield head
    inner = charge.chain[0] if charge.chain else None
    if inner is not None and not inner.line <= found.line <= max(inner.line, inner.end_line):
        yield Text(f"  issued at {place_text(inner)}: {inner.text.strip()}", "dim", no_wrap=True, overflow="ellipsis")
    for phase in charge.phases:
        yield from _phase(phase)
    yield Text("  " + _sum(charge, found))


def _sum(charge: Charge, found: LineCost) -> str:
    each = charge.charged_ns / charge.executions
    text = f"{charge.executions:,} x {time_text(each)} = {time_text(charge.charged_ns)} charged"
    more = charge.taken_ns - charge.charged_ns
    if abs(more) <= 0.005 * charge.charged_ns:
        return text
    if more < 0:
        return f"{text}; {time_text(-more)} less in this run"
    why = ""
    if charge.lane.startswith("dma"):
        why = ", for DMA engines shared with other transfers"
    elif charge.lane == "tensor" and found.slow_clock_ns:
        why = ", for a clock not yet warm"
    return f"{text}; {time_text(more)} more in this run{why}"


def _phase(phase: Phase) -> Iterator[RenderableType]:
    yield Text(f"  {time_text(phase.value_ns):>9}  {phase.name}", style="bold")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
    table.add_column(justify="right", no_wrap=True, min_width=_VALUE_WIDTH)
    table.add_column(overflow="fold")
    for term in phase.terms:
        text = Text(_formula(term), style="cyan")
        text.append("\n" + _where(term), style="dim")
        table.add_row(_signed(term.value_ns), text)
    yield table


def _formula(term: Term) -> str:
    """``drain_cycles / clock_ghz   [drain_cycles = 125 cycles, clock_ghz = 1.2 GHz]``."""
    inputs = ", ".join(f"{name} = {value}" for name, value in term.inputs.items())
    if list(term.inputs) == [term.formula]:
        return inputs
    return f"{term.formula}   [{inputs}]" if inputs else term.formula


def _where(term: Term) -> str:
    return f"{term.name}: {term.source}" if "." in term.name else term.source


def _signed(value_ns: float) -> str:
    if abs(value_ns) < 99.95:
        return f"{value_ns:.1f} ns"
    return time_text(value_ns) if value_ns >= 0 else f"-{time_text(-value_ns)}"


def _waits(found: LineCost) -> Iterator[RenderableType]:
    yield Text("waited, beyond its own time", style="bold")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
    table.add_column(justify="right", no_wrap=True, min_width=11)
    table.add_column(overflow="fold")
    for one in found.stalls:
        cause = place_text(one.cause_span)
        times = f"{one.count:,} time{'s' if one.count != 1 else ''}"
        table.add_row(time_text(one.total_ns), f"{one.reason}{', ' + cause if cause else ''}; {times}")
    yield table
    if found.signals:
        yield Text("of each wait, the way of the signal", style="bold")
        for phase in found.signals[:_SIGNALS]:
            yield from _phase(phase)
