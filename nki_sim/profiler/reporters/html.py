"""The profile as one self-contained HTML page, and as a fragment for notebooks. Nothing is loaded from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from math import ceil
from pathlib import Path

from nki_sim.profiler.metrics import DEFINITIONS
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.page_data import MAX_BLOCKS, lane_rows, page_data
from nki_sim.profiler.reporters.schema import unit_of
from nki_sim.profiler.reporters.timeline import occupancy
from nki_sim.profiler.words import bytes_text, percent, place_text, time_text
from nki_sim.program.spans import SourceSpan

_SHOWN = 12
_FRAGMENT_CELLS = 300
_SOURCE_MARGIN = 4
_SOURCE_LINES = 400


def write_page(profile: Profile, path: str | Path, *, max_blocks: int = MAX_BLOCKS) -> None:
    """Write the page. Beyond `max_blocks` timeline rows, neighbours are drawn together so that it stays small."""
    Path(path).write_text(page(profile, max_blocks=max_blocks), "utf-8")


def page(profile: Profile, *, max_blocks: int = MAX_BLOCKS) -> str:
    """The page as text."""
    room = files(__package__)
    data = json.dumps(page_data(profile, max_blocks=max_blocks), separators=(",", ":"), allow_nan=False)
    values = {
        "TITLE": escape(f"{profile.program.name} on {profile.target.name}"),
        "STYLE": (room / "page.css").read_text("utf-8"),
        "SCRIPT": (room / "page.js").read_text("utf-8"),
        # "</script>" in a kernel's text must not end the element.
        "DATA": data.replace("</", "<\\/"),
        "SUMMARY": _summary(profile),
        "LANES": lanes_svg(profile),
        "ADVICE": _advice(profile),
        "PATH": _path(profile),
        "STALLS": _stalls(profile),
        "LINES": _lines(profile),
        "SOURCE": _source(profile),
        "METRICS": _metrics(profile),
    }
    text = (room / "page.html").read_text("utf-8")
    # One pass: a value that contains another's mark stays as it is.
    parts = text.split("{{")
    return parts[0] + "".join(values[part.partition("}}")[0]] + part.partition("}}")[2] for part in parts[1:])


def fragment(profile: Profile) -> str:
    """A compact view without script, for a notebook's output cell: in the colours of its surroundings."""
    engines = "".join(
        f'<tr style="white-space:nowrap"><td style="text-align:left">{escape(name)}</td>'
        f"<td>{escape(time_text(use.busy_ns))}</td>"
        f'<td style="min-width:9em;text-align:left">{_bar(use.active_ratio)} '
        f'{escape(percent(use.active_ratio))}</td><td style="text-align:left">{escape(use.executed())}</td></tr>'
        for name, use in profile.engines.items()
    )
    lines = "".join(
        f'<tr><td>{escape(time_text(one.longest_ns))}</td><td style="text-align:left"><code>'
        f"{escape(place_text(one.span))}  {escape(one.span.text.strip() if one.span else '')}</code></td></tr>"
        for one in profile.lines[:5]
    )
    return (
        '<div style="max-width:60em;font-size:90%">'
        f"<div><b>{escape(profile.program.name)}</b> on {escape(profile.target.name)}: "
        f"<b>{escape(time_text(profile.total_ns))}</b></div>"
        f"<div>{escape(profile.bottleneck)}</div>"
        f"{lanes_svg(profile)}"
        f'<div style="display:flex;gap:2em;align-items:flex-start"><table>{engines}</table>'
        f'<div style="overflow-x:auto"><table style="white-space:nowrap">{lines}</table></div></div></div>'
    )


def _bar(share: float) -> str:
    return (
        '<span style="display:inline-block;width:5em;height:.7em;background:rgba(128,128,128,.25)">'
        f'<span style="display:block;width:{min(1.0, share) * 100:.1f}%;height:100%;background:#4c8bd6"></span></span>'
    )


_LANE_COLOURS = {"tensor": "#2a9d8f", "vector": "#4c8bd6", "scalar": "#b86bc4", "gpsimd": "#d08a2e", "sync": "#8a8f98"}


def lanes_svg(profile: Profile) -> str:
    """The lanes as an SVG picture, shaded by how busy each was."""
    total = profile.total_ns
    if total <= 0.0:
        return ""
    found, label, height = lane_rows(profile), 90, 16
    width = label + _FRAGMENT_CELLS * 2
    parts = []
    for number, (name, starts, ends) in enumerate(found):
        top = number * (height + 3)
        colour = _LANE_COLOURS.get(name, "#c9a227")
        parts.append(
            f'<text x="{label - 8}" y="{top + 12}" text-anchor="end" fill="currentColor">{escape(name)}</text>'
        )
        parts.append(
            f'<rect x="{label}" y="{top}" width="{width - label}" height="{height}" fill="#8884" opacity=".3"/>'
        )
        shares = occupancy(starts, ends, total, _FRAGMENT_CELLS)
        parts += [
            f'<rect x="{label + 2 * first}" y="{top}" width="{2 * count}" height="{height}" fill="{colour}" '
            f'opacity="{0.25 + 0.75 * share:.2f}"/>'
            for first, count, share in _runs(shares.tolist())
        ]
    bottom = len(found) * (height + 3)
    for at, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = label + at * (width - label)
        parts.append(
            f'<text x="{x:.0f}" y="{bottom + 12}" text-anchor="{anchor}" fill="currentColor" opacity=".7">'
            f"{escape(time_text(at * total) if at else '0')}</text>"
        )
    return (
        f'<svg viewBox="0 0 {width} {bottom + 18}" style="width:100%;max-width:{width * 1.4:.0f}px" role="img" '
        f'aria-label="timeline" font-size="11" font-family="sans-serif">{"".join(parts)}</svg>'
    )


def _runs(shares: Sequence[float]) -> Iterable[tuple[int, int, float]]:
    """Stretches of equal shading, in tenths upwards: (first cell, cells, share); nothing for empty ones."""
    tenths = [ceil(10 * share) for share in shares]
    start = 0
    for number in range(1, len(tenths) + 1):
        if number == len(tenths) or tenths[number] != tenths[start]:
            if tenths[start]:
                yield start, number - start, tenths[start] / 10
            start = number


# -- sections of the page ---------------------------------------------------------------------------------------------


def _summary(profile: Profile) -> str:
    cards = [
        _card(name, use.active_ratio, f"{time_text(use.busy_ns)} · {use.executed()}")
        for name, use in profile.engines.items()
    ]
    cards += [
        _card(
            f"{space.upper()} peak",
            use.peak_bytes / use.capacity_bytes,
            f"{bytes_text(use.peak_bytes)} of {bytes_text(use.capacity_bytes)}",
        )
        for space, use in profile.memory.items()
    ]
    return (
        f"<h1>{escape(profile.program.name)} <small>on {escape(profile.target.name)}</small></h1>"
        f'<p class="total"><b>{escape(time_text(profile.total_ns))}</b> simulated, and '
        f"{escape(time_text(profile.launch_ns))} of launch that is not counted below</p>"
        f'<p class="bottleneck">{escape(profile.bottleneck)}</p><div class="cards">{"".join(cards)}</div>'
    )


def _card(title: str, share: float, note: str) -> str:
    return (
        f'<div class="card"><div class="label">{escape(title)}</div>'
        f'<div class="value">{escape(percent(share))}</div>'
        f'<div class="meter"><i style="width:{min(1.0, share) * 100:.1f}%"></i></div>'
        f'<div class="note">{escape(note)}</div></div>'
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kinds: str) -> str:
    """Cells are HTML. `kinds`: one letter per column, n for numbers, t for text, c for code."""
    names = {"n": "num", "t": "", "c": "code"}
    cells = [
        "<tr>" + "".join(f'<td class="{names[k]}">{cell}</td>' for k, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    ]
    titles = "".join(f'<th class="{names[k]}">{escape(title)}</th>' for k, title in zip(kinds, head, strict=True))
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(cells)}</tbody></table>"


def _advice(profile: Profile) -> str:
    """Advice with its gains, then findings; "" when there are none."""
    advised = [
        [
            f"<b>{escape(time_text(one.gain_ns))}</b>",
            escape(percent(one.gain_ratio)),
            f'{escape(one.title)}<br><span class="note">{escape(one.how)}</span>',
            escape(_places(one.lines)),
        ]
        for one in profile.advice()
    ]
    noticed = [
        [
            escape(percent(one.share)),
            f'{escape(one.message)}<br><span class="note">{escape(one.source)}</span>',
            escape(_places(one.lines)),
        ]
        for one in profile.findings
    ]
    text = ""
    rejected = profile.advised.rejected
    if advised:
        text += "<h2>Advice, by what a replay of the changed program gains</h2>"
        text += _table(("gain", "share", "change", "at"), advised, "nntc")
    if rejected:
        others = "".join(f"<li>{escape(one.title)}: {escape(one.why)}</li>" for one in rejected)
        text += f"<details><summary>Thought of, but no advice: {len(rejected)}</summary><ul>{others}</ul></details>"
    if noticed:
        text += "<h2>Findings</h2>" + _table(("share", "what", "at"), noticed, "ntc")
    return f'<section id="advice">{text}</section>' if text else ""


def _places(spans: Sequence[SourceSpan]) -> str:
    return ", ".join(dict.fromkeys(place_text(span) for span in spans))


def _path(profile: Profile) -> str:
    total = profile.total_ns or 1.0
    shares = profile.critical_path.shares
    rows = [
        [
            escape(time_text(one.total_ns)),
            _share(one.total_ns / total),
            escape(one.lane),
            escape(one.cause),
            f"{one.count:,}",
            f"<code>{escape(place_text(one.span))}</code> {escape(one.op)}",
        ]
        for one in shares[:_SHOWN]
    ]
    if not rows:
        return "<p>Nothing was executed.</p>"
    return _table(("in all", "share", "lane", "what", "times", "at"), rows, "ntttnt") + _more(len(shares) - _SHOWN)


def _share(share: float) -> str:
    share = min(1.0, share)
    bar = f'<span class="meter wide"><i style="width:{share * 100:.1f}%"></i></span>'
    return f'<span class="share">{bar} {escape(percent(share))}</span>'


def _stalls(profile: Profile) -> str:
    if not profile.stalls:
        return "<p>No engine waited for anything.</p>"
    rows = []
    for one in profile.stalls[:_SHOWN]:
        cause = place_text(one.cause_span)
        at = f"{place_text(one.span)} {one.op}".strip()
        rows.append(
            [
                escape(time_text(one.total_ns)),
                escape(time_text(one.longest_ns)),
                f"{one.count:,}",
                escape(one.engine),
                f"<code>{escape(at)}</code>",
                escape(one.reason + (f", {cause}" if cause else "")),
            ]
        )
    more = len(profile.stalls) - _SHOWN
    return _table(("in all", "longest", "times", "engine", "at", "waits"), rows, "nnnttt") + _more(more)


def _more(count: int) -> str:
    return f'<p class="note">and {count:,} more</p>' if count > 0 else ""


def _lines(profile: Profile) -> str:
    total = profile.total_ns or 1.0
    rows = []
    for one in profile.lines[:_SHOWN]:
        lane = max(one.busy_ns, key=one.busy_ns.__getitem__) if one.busy_ns else ""
        text = one.span.text.strip() if one.span is not None else "(no source)"
        rows.append(
            [
                escape(time_text(one.longest_ns)),
                _share(one.longest_ns / total),
                escape(lane),
                escape(time_text(one.stall_ns)) if one.stall_ns else "",
                escape(bytes_text(one.moved_bytes)) if one.moved_bytes else "",
                f"{one.instructions:,}",
                f'<code>{escape(place_text(one.span))}</code> <code class="src">{escape(text)}</code>',
            ]
        )
    head = ("busy", "share", "lane", "stalled", "moved", "runs", "line")
    return _table(head, rows, "nttnnnt") + _more(len(profile.lines) - _SHOWN)


def _source(profile: Profile) -> str:
    """Each file around the lines that issued something, with the time of each line as heat."""
    total = profile.total_ns or 1.0
    by_file: dict[str, dict[int, float]] = {}
    for one in profile.lines:
        if one.span is not None:
            by_file.setdefault(one.span.file, {})[one.span.line] = one.longest_ns
    sections = []
    for file, heat in by_file.items():
        try:
            text = Path(file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        first = max(1, min(heat) - _SOURCE_MARGIN)
        last = min(len(text), max(heat) + _SOURCE_MARGIN, first + _SOURCE_LINES - 1)
        rows = []
        for number in range(first, last + 1):
            share = min(1.0, heat.get(number, 0.0) / total)
            strength = f' style="--heat:{share**0.5:.3f}"' if share else ""
            time = escape(time_text(heat[number])) if number in heat else ""
            rows.append(
                f'<div class="row"{strength} id="L{number}"><span class="time">{time}</span>'
                f'<span class="no">{number}</span><code>{escape(text[number - 1]) or " "}</code></div>'
            )
        name = file.rsplit("/", 1)[-1]
        cut = "" if last >= max(heat) else f'<p class="note">cut at line {last}</p>'
        sections.append(f'<h3>{escape(name)}</h3><div class="source">{"".join(rows)}</div>{cut}')
    return "".join(sections)


def _metrics(profile: Profile) -> str:
    rows = []
    for name, definition in DEFINITIONS.items():
        value = getattr(profile.metrics, name)
        rows.append([escape(name), escape(value_text(name, value)), escape(definition)])
    return _table(("metric", "value", "definition"), rows, "tnt")


def value_text(name: str, value: float) -> str:
    """A metric in the words of its unit."""
    unit = unit_of(name)
    if name.endswith("_ratio"):
        return percent(value)
    if unit == "ns":
        return time_text(value)
    if unit == "bytes":
        return bytes_text(value)
    return f"{value:,.0f}" if isinstance(value, int) else f"{value:,.4g}"
