"""The HTML page: self-contained, escaped, capped in size, and drawn without an error by a headless Chromium."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import struct
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nki_sim.profiler.profile import Profile
from nki_sim.profiler.reporters import html
from nki_sim.profiler.reporters.html import fragment, page, write_page
from nki_sim.profiler.reporters.page_data import CELLS, page_data
from nki_sim.targets import load
from nki_sim.timing import simulate
from tests.timing.building import Timed

ROOT = Path(__file__).parent.parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
VOID = {"meta", "input", "br", "rect", "link", "img"}


class Checker(HTMLParser):
    """Elements that open and close, addresses that something would be loaded from, and the page's data."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.data = ""
        self._in_data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self._in_data = ("id", "data") in attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data


def checked(text: str) -> Checker:
    found = Checker()
    found.feed(text)
    found.close()
    assert found.open == []
    return found


def test_the_page_is_whole_and_loads_nothing(profile: Profile) -> None:
    text = page(profile)
    found = checked(text)
    assert found.addresses == []
    assert not re.search(r"@import|url\(|https?://|fetch\(|XMLHttpRequest|import\(", text)
    assert json.loads(found.data.replace("<\\/", "</")) == json.loads(json.dumps(page_data(profile)))
    assert "{{" not in re.sub(r"<script.*</script>", "", text, flags=re.S)


def test_the_page_says_what_the_report_says(matmul: Profile) -> None:
    text = page(matmul)
    for expected in (matmul.bottleneck, "Longest stalls", "Critical path", "Time by source line", "mfu_ratio"):
        assert expected in text
    assert all(finding.code and finding.message.split("'")[0] in text for finding in matmul.findings)


def test_lanes_hold_every_row(matmul: Profile) -> None:
    data = page_data(matmul)
    assert not data["merged"]
    rows = sum(len(lane["blocks"]) for lane in data["lanes"] if lane["name"] != "tensor weights")
    assert rows == len(matmul.timeline)
    for lane in data["lanes"]:
        assert all(start <= end <= data["total_ns"] + 0.1 for start, end, *_ in lane["blocks"])


def test_long_runs_are_merged_and_lose_no_time(matmul: Profile) -> None:
    whole, merged = page_data(matmul), page_data(matmul, max_blocks=10)
    assert merged["merged"]

    def extent(lane: Any) -> tuple[float, float, int]:
        blocks = lane["blocks"]
        return blocks[0][0], max(block[1] for block in blocks), sum(block[4] for block in blocks)

    assert [extent(one) for one in whole["lanes"]] == [extent(one) for one in merged["lanes"]]


def test_a_page_of_many_instructions_stays_small() -> None:
    build = Timed()
    one, other = build.sbuf(128, 8), build.sbuf(128, 8)
    for _ in range(3000):
        build.act(other, one, "copy")
        build.by_vector(one, other, 2.0)
    found = Profile(build.program, simulate(build.program, None, load("trn2")), load("trn2"))
    small, large = len(page(found, max_blocks=1000)), len(page(found))
    assert small < large
    # However long the run, a lane has at most two blocks for each cell.
    data = page_data(found, max_blocks=1000)
    assert all(len(lane["blocks"]) <= 2 * CELLS for lane in data["lanes"])


def test_text_of_the_kernel_is_escaped() -> None:
    build = Timed()
    build.program.name = "<b>&</script>"
    build.move(build.sbuf(128, 8), build.input(128, 8, name='</script><img src="x">'))
    found = Profile(build.program, simulate(build.program, None, load("trn2")), load("trn2"))
    assert checked(page(found)).addresses == []
    assert checked(fragment(found)).addresses == []


def test_the_fragment_has_no_script_and_is_small(profile: Profile) -> None:
    text = profile._repr_html_()
    checked(text)
    assert "<script" not in text and "<style" not in text
    assert len(text) < 100_000
    assert profile.program.name in text


@given(st.lists(st.one_of(st.just(0.0), st.floats(0.0, 1.0)), max_size=30))
def test_shading_covers_what_is_busy(shares: list[float]) -> None:
    found = {cell: share for first, count, share in html._runs(shares) for cell in range(first, first + count)}
    assert set(found) == {cell for cell, share in enumerate(shares) if share > 0.0}
    assert all(shares[cell] - 1e-6 <= shade <= shares[cell] + 0.1 + 1e-6 for cell, shade in found.items())


def test_pictures_are_made_by_their_command() -> None:
    """The command beside the pictures knows every file that its page lists, and gives the same text each time."""
    spec = importlib.util.spec_from_file_location("make_pictures", ROOT / "docs" / "pictures" / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    once, again = module.pictures(), module.pictures()
    assert once == again
    listed = (ROOT / "docs" / "pictures" / "README.md").read_text("utf-8")
    for path, text in once.items():
        assert f"`{path.name}`" in listed and path.exists()
        assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "`page.png`" in listed


def run_browser(tmp_path: Path, url: str, *options: str) -> str:
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,900",
            f"--user-data-dir={tmp_path / 'home'}", "--virtual-time-budget=3000", *options, url,
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser, google-chrome or chrome on PATH")
def test_a_browser_draws_the_page(matmul: Profile, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(matmul, path)
    # Errors and what was loaded are written into the document, where --dump-dom shows them.
    # Frames come from timers, since a headless browser gives frames when it likes.
    probe = """<script>
      window.requestAnimationFrame = draw => setTimeout(() => draw(performance.now()), 0);
      const note = (name, value) => { document.documentElement.dataset[name] = value; };
      window.addEventListener("error", event => note("error", event.message));
      window.addEventListener("load", () => {
        const canvas = document.getElementById("lanes"), range = document.getElementById("range");
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        note("colours", new Set(new Uint32Array(pixels.buffer)).size);
        const before = range.textContent;
        document.getElementById("in").click();
        setInterval(() => { if (range.textContent !== before) note("zoomed", true); }, 20);
        note("loaded", performance.getEntriesByType("resource").length);
      });
    </script>"""
    path.write_text(path.read_text("utf-8").replace("<head>", "<head>" + probe), "utf-8")
    dom = run_browser(tmp_path, path.as_uri(), "--dump-dom")
    head = re.search(r"<html[^>]*>", dom)
    assert head is not None
    found = dict(re.findall(r'data-(\w+)="([^"]*)"', head[0]))
    assert "error" not in found, found
    assert found["ready"] == "1" and found["zoomed"] == "true" and found["loaded"] == "0"
    assert int(found["colours"]) > 20


@pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser, google-chrome or chrome on PATH")
def test_a_screenshot_is_no_blank(matmul: Profile, tmp_path: Path) -> None:
    write_page(matmul, tmp_path / "page.html")
    picture = tmp_path / "page.png"
    run_browser(tmp_path, (tmp_path / "page.html").as_uri(), f"--screenshot={picture}")
    content = picture.read_bytes()
    assert struct.unpack(">II", content[16:24]) == (1000, 900)
    # A picture of one colour compresses to next to nothing.
    assert len(content) > 20_000
    assert len(np.unique(np.frombuffer(content, np.uint8))) > 200
