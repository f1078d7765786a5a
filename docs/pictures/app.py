"""Makes the pictures of `nki-sim view` in this folder: `python docs/pictures/app.py [--check]`.

app_80 is an instruction at 80 x 24 (SVG and text), app_120 the memory at 120 x 40, app_path the critical path,
app_advice advice and findings, app_compared two targets.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KERNEL = "kernels/flash_attention.py::flash_attention"
SCREENS = {
    "app_80": ((80, 24), (None,), "slash e x p enter n n plus plus plus"),
    "app_120": ((120, 40), (None,), "slash e x p enter n n plus plus plus m"),
    "app_path": ((80, 24), (None,), "c 6 J"),
    "app_advice": ((120, 40), (None,), "8 J"),
    "app_compared": ((120, 40), (None, "trn1"), "5"),
}
WITH_TEXT = ("app_80",)


def make_profile(target):
    """The profile of the kernel's example on a target, the default one for None."""
    from nki_sim.cli.common import jobs

    (job,) = jobs(str(ROOT / KERNEL), (), target=target)
    return job.kernel.profile(*job.arguments)


def pictures() -> dict[Path, str]:
    """The files and what they should hold."""
    from nki_sim.profiler.app.picture import picture

    profiles = {target: make_profile(target) for _, targets, _ in SCREENS.values() for target in targets}
    found = {}
    for name, (size, targets, keys) in SCREENS.items():
        svg, text = picture([profiles[target] for target in targets], keys.split(), size)
        found[HERE / f"{name}.svg"] = svg
        if name in WITH_TEXT:
            found[HERE / f"{name}.txt"] = text
    return found


def stale() -> list[Path]:
    """The files that do not show what nki-sim view shows now."""
    return [path for path, text in pictures().items() if not path.exists() or path.read_text("utf-8") != text]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which are out of date")
    if parser.parse_args().check:
        old = stale()
        for path in old:
            sys.stdout.write(f"{path.relative_to(ROOT)} is out of date\n")
        return 1 if old else 0
    for path, text in pictures().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
