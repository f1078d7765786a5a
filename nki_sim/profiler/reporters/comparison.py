"""A comparison as text: the total, then where it changed, then why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nki_sim.profiler.compare import Change, Comparison, LineChange
from nki_sim.profiler.words import bytes_text, percent, time_text, times_text

SHOWN = 8
_NOTHING = 1e-6
_LINE_NUMBERS_WIDTH = 46


def render(found: Comparison, width: int, shown: int = SHOWN) -> Iterator[RenderableType]:
    """Renderables from top to bottom, `width` wide."""
    yield _head(found)
    if found.same:
        yield Text("nothing differs")
        return
    before, after = found.bottlenecks
    yield _labelled(found.before, before)
    yield _labelled(found.after, after if after != before else "the same")
    if found.total.difference and found.why:
        yield _labelled("why", found.why)
    for title, changes in (
        ("Busy time by engine", found.engines),
        ("Busy time by instruction", found.instructions),
        ("Executions", found.executions),
    ):
        yield from _table(title, changes, found, shown)
    yield from _lines(found, width, shown)
    yield from _table("Why: what the total is made of, along the critical path", found.path, found, shown)
    yield from _table("Why: waits", found.stalls, found, shown)
    yield from _table("Why: transfers and work", found.traffic, found, shown)
    yield from _table("Why: times each input is read", found.reloads, found, shown)


def _head(found: Comparison) -> Text:
    total = found.total
    text = Text(f"{found.before}: {time_text(total.before)}   {found.after}: {time_text(total.after)}   ", "bold")
    if not total.difference:
        return text.append("as fast")
    if total.before and total.after:
        faster = total.after < total.before
        factor = total.before / total.after if faster else total.after / total.before
        word = "faster" if faster else "slower"
        text.append(f"{factor:.4g} x {word}", style="green" if faster else "red")
        text.append(f" ({_signed(total)})")
    return text


def _labelled(name: str, text: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row(f"{name}:", text)
    return table


def _columns(found: Comparison, name: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for column in (_short(found.before), _short(found.after), "change"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(name, overflow="fold")
    return table


def _short(name: str) -> str:
    return name if len(name) <= 10 else name[:9] + "…"


def _table(title: str, changes: Sequence[Change], found: Comparison, shown: int) -> Iterator[RenderableType]:
    if not changes:
        return
    yield ""
    yield Text(title, style="bold")
    table = _columns(found, "")
    for one in changes[:shown]:
        table.add_row(value_text(one.before, one.unit), value_text(one.after, one.unit), _signed(one), one.name)
    yield table
    if len(changes) > shown:
        yield Text(f"and {len(changes) - shown} more", style="dim")


def _lines(found: Comparison, width: int, shown: int) -> Iterator[RenderableType]:
    changed = [one for one in found.lines if one.weight_ns >= 0.5 or one.before_at is None or one.after_at is None]
    if not changed:
        return
    yield ""
    yield Text("By source line: busy time on its busiest lane, and time its instructions waited", style="bold")
    table = _columns(found, "line")
    table.columns[3].no_wrap = True
    table.columns[3].overflow = "ellipsis"
    table.columns[3].max_width = max(20, width - _LINE_NUMBERS_WIDTH)
    table.add_column("", no_wrap=True)
    for one in changed[:shown]:
        for number, change in enumerate(_parts(one)):
            table.add_row(
                value_text(change.before, change.unit),
                value_text(change.after, change.unit),
                _signed(change),
                Text(f"{_where(one)}  {one.text}" if number == 0 else ""),
                change.name,
            )
    yield table
    if len(changed) > shown:
        yield Text(f"and {len(changed) - shown} more lines", style="dim")


def _parts(line: LineChange) -> list[Change]:
    found = [change for change in (line.busy, line.stall) if abs(change.difference) >= 0.5]
    return found or [line.busy]


def _where(line: LineChange) -> str:
    if line.before_at is None:
        return f"{line.after_at} (new)"
    if line.after_at is None:
        return f"{line.before_at} (gone)"
    return line.after_at


def value_text(value: float, unit: str) -> str:
    """A quantity in the words of its unit."""
    if unit == "ns":
        return time_text(value)
    if unit == "bytes":
        return bytes_text(value)
    if unit == "FLOP":
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value - round(value)) < 0.005 else f"{value:,.2f}"


def _signed(change: Change) -> str:
    """``+12 %`` or, where there was nothing before, ``new``."""
    if abs(change.before) < _NOTHING:
        return "new"
    if abs(change.after) < _NOTHING:
        return "gone"
    ratio = change.ratio - 1.0
    return f"{'+' if ratio >= 0 else '-'}{percent(abs(ratio))}" if change.ratio < 10 else times_text(change.ratio)
