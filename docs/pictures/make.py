"""Makes the pictures of the profile in this folder: `python docs/pictures/make.py [--check]`.

report_80.svg and report_120.svg are the terminal report, page.png the HTML page in headless Chromium; without a
Chromium on this machine the page keeps its old picture.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KERNEL = "kernels/flash_attention.py"
WIDTHS = (80, 120)
PAGE_SIZE = (1180, 1290)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def make_profile():
    """The profile all pictures show."""
    from nki_sim.cli.common import jobs

    (job,) = jobs(str(ROOT / KERNEL), (), target=None)
    return job.kernel.profile(*job.arguments)


def report_svg(profile, width: int) -> str:
    """The report at `width` columns as SVG: the same text gives the same file, and nothing is loaded from anywhere."""
    from rich.console import Console
    from rich.terminal_theme import DIMMED_MONOKAI

    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(profile)
    svg = console.export_svg(title=f"nki-sim profile {KERNEL}", theme=DIMMED_MONOKAI, unique_id=f"report{width}")
    svg = re.sub(r"<!--.*?-->\s*|@font-face\s*\{[^}]*\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "monospace")


def screenshot(page: Path, picture: Path, size: tuple[int, int]) -> bool:
    """Photograph a page; False when there is no browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return False
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={home}",
                f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}", page.resolve().as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    return True


def pictures() -> dict[Path, str]:
    """The SVG files and what they should hold."""
    profile = make_profile()
    return {HERE / f"report_{width}.svg": report_svg(profile, width) for width in WIDTHS}


def stale() -> list[Path]:
    """The SVG files that do not show what nki-sim prints now."""
    return [path for path, text in pictures().items() if not path.exists() or path.read_text("utf-8") != text]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which are out of date")
    options = parser.parse_args()
    if options.check:
        found = stale()
        for path in found:
            say(f"out of date: {path.relative_to(ROOT)}")
        return 1 if found else 0
    for path, text in pictures().items():
        path.write_text(text, "utf-8")
        say(f"wrote {path.relative_to(ROOT)}")
    from nki_sim.profiler.reporters.html import write_page

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        write_page(make_profile(), page)
        if screenshot(page, HERE / "page.png", PAGE_SIZE):
            say(f"wrote {(HERE / 'page.png').relative_to(ROOT)}")
        else:
            say(f"page.png: no browser found (looked for {', '.join(BROWSERS)})")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
