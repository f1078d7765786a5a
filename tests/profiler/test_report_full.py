"""The report at fixed widths against golden files, short and full, and what each section does at its edges."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType

import nki_sim.isa as nisa
import nki_sim.language as nl
from nki_sim import kernel
from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters import advice, critical_path, findings, memory, roofline, stalls
from nki_sim.profiler.words import places_text
from nki_sim.program.spans import SourceSpan
from tests.profiler.programs import placed
from tests.support.ir import part
from tests.timing.building import Timed

GOLDEN = Path(__file__).parent / "golden"


def sbuf(*shape, dtype=nl.float32):
    return nl.ndarray(shape, dtype=dtype, buffer=nl.sbuf)


@kernel
def gated(x, w):
    """sigmoid(w.T @ x) a tile at a time, through one tile of each kind: a bit of every habit."""
    result = nl.ndarray((w.shape[1], x.shape[1]), dtype=x.dtype, buffer=nl.shared_hbm)
    x_tile = sbuf(128, 512)
    w_tile = sbuf(128, 128)
    gate = sbuf(128, 512)
    sums = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
    for m in range(0, x.shape[1], 512):
        for k in range(0, x.shape[0], 128):
            nisa.dma_copy(dst=x_tile, src=x[k : k + 128, m : m + 512])
            nisa.dma_copy(dst=w_tile, src=w[k : k + 128])
            nisa.nc_matmul(dst=sums, stationary=w_tile, moving=x_tile, accumulate=k > 0)
        nisa.activation(dst=gate, op=nl.sigmoid, data=sums)
        nisa.dma_copy(dst=result[:, m : m + 512], src=gate)
    return result


@pytest.fixture(scope="module")
def profile() -> Profile:
    return gated.profile(np.ones((512, 2048), np.float32), np.ones((512, 128), np.float32))


def text(renderables: Iterable[RenderableType], width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    for one in renderables:
        console.print(one)
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("full", [False, True], ids=["short", "full"])
def test_the_report_at_fixed_width(
    profile: Profile, width: int, full: bool, golden: Callable[[Path, str], None]
) -> None:
    found = text(profile.render(width, full=full), width)
    assert max(map(len, found.splitlines())) <= width
    golden(GOLDEN / f"gated_{'full' if full else 'short'}_{width}.txt", found)


def test_what_matters_fits_the_first_screen(profile: Profile) -> None:
    """Time, bottleneck, engines, metrics, lanes and the best advice in 80 x 24."""
    first = text(profile.render(80), 80).splitlines()[:24]
    assert first[0].startswith("gated on trn2: ")
    assert any(line.startswith("Advice") for line in first)
    assert any(profile.advice()[0].title[:20] in line for line in first)


@pytest.mark.parametrize("width", [40, 60, 200])
def test_no_section_is_wider_than_asked(profile: Profile, width: int) -> None:
    assert max(map(len, text(profile.render(width, full=True), width).splitlines())) <= width


def test_the_full_report_explains_every_cause_on_the_path(profile: Profile) -> None:
    found = text(critical_path.render(profile, 120), 120)
    assert "busy: at work" in found
    assert f"{len(profile.critical_path.segments):,} stretches" in found


def test_advice_says_how_and_what_was_replayed(profile: Profile) -> None:
    found = " ".join(text(advice.render(profile, 120, full=True), 120).split())
    for one in profile.advice():
        assert one.title in found
        assert " ".join(one.how.split()) in found
        assert one.replay in found


def test_what_was_not_replayed_is_counted_and_in_full_explained() -> None:
    build = Timed()
    tile = build.sbuf(128, 8)
    with build.loop(10_001):
        build.by_vector(tile, tile, 2.0)
    odd, _ = placed(build)
    short, full = (text(advice.render(odd, 80, full=full), 80) for full in (False, True))
    assert "none of the changes" in short and "none of the changes" in full
    assert "1 change not replayed, --full says why" in short
    assert "10,001 passes do not come in pairs" in " ".join(full.split())


def test_triggers_are_told_from_instructions() -> None:
    build = Timed()
    source, tile = build.input(128, 512), build.sbuf(128, 512)
    build.move(tile, part(source))
    build.by_vector(tile, tile, 2.0)
    one, _ = placed(build)
    table = text(one.render(80), 80).partition("\n\n")[2].partition("\n\n")[0].splitlines()
    found = {line.split()[0]: line for line in table}
    assert " 1 trigger " in found["sync"] and " 1 transfer" in found["dma"]
    assert " 1 " in found["vector"] and "trigger" not in found["vector"]
    assert one.to_json()["engines"]["sync"]["dma_triggers"] == 1
    assert "1 DMA trigger" in one._repr_html_()


def test_sections_without_content_say_so_or_nothing() -> None:
    build = Timed()
    build.act(build.sbuf(128, 512), build.sbuf(128, 512))
    one, _ = placed(build)
    assert "no matmul FLOPs" in text(roofline.render(one, 80), 80)
    assert text(findings.render(one, 80), 80) == ""
    assert "scalar" in text(stalls.by_engine(one, 80), 80)
    assert "PSUM" not in text(memory.render(one, 80), 80)
    empty, _ = placed(Timed())
    assert text(critical_path.render(empty, 80), 80) == text(memory.render(empty, 80), 80) == ""
    assert text(empty.render(80, full=True), 80).count("\n") < 14


def test_the_roofline_marks_the_run_under_the_roof(profile: Profile) -> None:
    lines = text(roofline.render(profile, 80), 80).splitlines()
    point = next(number for number, line in enumerate(lines) if "●" in line)
    column = lines[point].index("●")
    roof = next(number for number, line in enumerate(lines) if len(line) > column and line[column] in "╱─┊●")
    assert roof <= point


def test_places_name_each_file_once() -> None:
    spans = [SourceSpan("a/k.py", 3), SourceSpan("a/k.py", 9), SourceSpan("a/h.py", 1)]
    assert places_text(spans) == "k.py:3, 9, h.py:1"
    assert places_text(spans, shown=2) == "k.py:3, 9, ..."
    assert places_text([]) == ""
