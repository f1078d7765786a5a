"""Pictures of the app: SVG and text of a screen after some keys, made without a terminal.

python -m nki_sim.profiler.app.picture kernels/softmax.py::softmax docs/pictures/app_80 --size 80x24 --keys "4"
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import click

from nki_sim.profiler.app.app import ViewApp
from nki_sim.profiler.profile import Profile


def screen_text(app: ViewApp) -> str:
    """The characters on the screen, without colours, trailing blanks cut."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def picture(profiles: Sequence[Profile], keys: Sequence[str], size: tuple[int, int]) -> tuple[str, str]:
    """(SVG, text) of the screen after `keys`; the same input gives the same characters."""
    return asyncio.run(_picture(profiles, keys, size))


async def _picture(profiles: Sequence[Profile], keys: Sequence[str], size: tuple[int, int]) -> tuple[str, str]:
    app = ViewApp(profiles)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        one = app.state.selected
        if one is not None and one.instruction >= 0:
            app.charges.compute(one.run, one.instruction)
            app.redraw()
        await pilot.pause()
        svg = app.export_screenshot(title="nki-sim view", simplify=True)
        return _steady(svg), screen_text(app)


def _steady(svg: str) -> str:
    """The SVG without its random id and its fonts from elsewhere: it changes only when the screen does."""
    svg = re.sub(r"<!--.*?-->\s*|@font-face\s*\{[^}]*\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"terminal-\d+", "terminal", svg).replace("Fira Code, monospace", "monospace")


@click.command()
@click.argument("kernel", metavar="FILE::KERNEL")
@click.argument("stem", type=click.Path(dir_okay=False))
@click.option("--against-target", help="A second run of the same kernel on this target.")
@click.option("--size", default="80x24", show_default=True, help="Columns x lines.")
@click.option("--keys", default="", help="Keys to press first, as Textual names them, separated by spaces.")
def main(kernel: str, stem: str, against_target: str | None, size: str, keys: str) -> None:
    """Write STEM.svg and STEM.txt: the app on a kernel's profile."""
    from nki_sim.cli import common

    columns, _, lines = size.partition("x")
    targets = [None] if against_target is None else [None, against_target]
    jobs = [common.jobs(kernel, (), target=target)[0] for target in targets]
    profiles = [job.kernel.profile(*job.arguments) for job in jobs]
    svg, text = picture(profiles, keys.split(), (int(columns), int(lines)))
    Path(stem + ".svg").write_text(svg, encoding="utf-8")
    Path(stem + ".txt").write_text(text, encoding="utf-8")
    click.echo(f"wrote {stem}.svg and {stem}.txt")


if __name__ == "__main__":
    main()
