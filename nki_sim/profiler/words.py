"""Numbers as people read them: times, bytes, shares."""

from __future__ import annotations

from collections.abc import Sequence

from nki_sim.program.spans import SourceSpan


def time_text(time_ns: float) -> str:
    """``873 ns``, ``12.3 µs``, ``4.56 ms``."""
    if time_ns < 999.5:
        return f"{time_ns:.0f} ns"
    for limit, scale, unit in ((1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if time_ns < limit * 0.99995:
            return f"{max(1.0, time_ns / scale):.4g} {unit}"
    return f"{time_ns / 1e9:.4g} s"


def bytes_text(count: float) -> str:
    """``512 B``, ``64 KiB``, ``268 MiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.0f} GiB"


def percent(ratio: float) -> str:
    """``83 %``; one decimal below ten."""
    value = 100.0 * ratio
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.1f} %"


def times_text(count: float) -> str:
    """``once``, ``16 times``, ``2.5 times``."""
    if abs(count - 1.0) < 0.05:
        return "once"
    return f"{count:.0f} times" if abs(count - round(count)) < 0.05 else f"{count:.1f} times"


def place_text(span: SourceSpan | None) -> str:
    """``file.py:12``."""
    return "" if span is None else f"{span.file.rsplit('/', 1)[-1]}:{span.line}"


def places_text(spans: Sequence[SourceSpan], shown: int = 4) -> str:
    """``file.py:12, 17, other.py:3``: each file's name once per run of lines."""
    parts: list[str] = []
    file = ""
    for span in spans[:shown]:
        parts.append(str(span.line) if span.file == file else place_text(span))
        file = span.file
    if len(spans) > shown:
        parts.append("...")
    return ", ".join(parts)
