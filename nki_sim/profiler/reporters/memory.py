"""SBUF and PSUM over time in characters: addresses upwards, time to the right, a letter per tile of the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from nki_sim.profiler.memory_map import MemoryMap, group_names
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters.timeline import axis
from nki_sim.profiler.words import bytes_text, percent, place_text

LETTERS = ascii_lowercase + ascii_uppercase
OTHERS = "*"
_LABEL = 9
_BANDS = 12
_NAMED = 12
_HALF = 0.5


def render(profile: Profile, width: int, bands: int = _BANDS) -> Iterator[RenderableType]:
    """A map and a legend for each memory that something was placed in."""
    first = True
    for space, found in profile.memory_map.items():
        if not found.blocks:
            continue
        if not first:
            yield ""
        first = False
        # A band per bank of PSUM, whole; of SBUF only what is used.
        psum = space == "psum"
        high = found.capacity_bytes if psum else found.extent_bytes
        yield from _one(found, width, profile.target.limit("psum_banks") if psum else bands, high)


def _one(found: MemoryMap, width: int, bands: int, high_byte: int) -> Iterator[RenderableType]:
    cells = max(10, width - _LABEL - 2)
    groups = group_names(found.blocks)
    best = np.full((bands, cells), 0.0)
    total = np.zeros((bands, cells))
    letters = np.full((bands, cells), " ")
    for number, blocks in enumerate(groups.values()):
        held = np.zeros((bands, cells))
        for block in blocks:
            rows, columns = found.place(block, bands, cells, high_byte)
            held += np.outer(rows, columns)
        total += held
        more = held > best
        letters[more] = LETTERS[number] if number < _NAMED else OTHERS
        best = np.maximum(best, held)
    # A letter where at least half of the cell is held, a dot where something is.
    shown = np.where(total >= _HALF, letters, np.where(total > 0.0, "·", " "))
    share = percent(found.extent_bytes / found.capacity_bytes)
    yield Text(
        f"{found.space.upper()} by address over time: {bytes_text(found.extent_bytes)} of "
        f"{bytes_text(found.capacity_bytes)} per partition used ({share})",
        style="bold",
    )
    for band in range(bands - 1, -1, -1):
        low = high_byte * band / bands
        line = Text(f"{bytes_text(low):>{_LABEL - 1}} │", no_wrap=True, overflow="crop")
        line.append("".join(shown[band]), style="green")
        yield line.append("│")
    yield Text(" " * _LABEL + axis(found.total_ns, cells), style="dim", no_wrap=True, overflow="crop")
    for number, blocks in enumerate(list(groups.values())[:_NAMED]):
        tile = blocks[0]
        shape = ", ".join(map(str, tile.tensor.shape))
        many = f"{len(blocks):,} x " if len(blocks) > 1 else ""
        yield Text(
            f"{LETTERS[number]} {tile.name}: {many}[{shape}] {tile.tensor.dtype}, "
            f"{bytes_text(tile.end_byte - tile.start_byte)} per partition, {place_text(tile.span)}",
            no_wrap=True,
            overflow="ellipsis",
        )
    if len(groups) > _NAMED:
        yield Text(f"{OTHERS} {len(groups) - _NAMED} more", style="dim")
