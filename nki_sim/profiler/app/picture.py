"""Pictures of the app: SVG and text of a screen after some keys, made without a terminal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from nki_sim.profiler.app.app import ViewApp
from nki_sim.profiler.app.state import PANES
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
        if PANES[app.state.pane] == "advice":
            app.advisor.finish(app.state.run)
        app.redraw()
        await pilot.pause()
        svg = app.export_screenshot(title="nki-sim view", simplify=True)
        return _steady(svg), screen_text(app)


def _steady(svg: str) -> str:
    """The SVG without its random id and its fonts from elsewhere: it changes only when the screen does."""
    svg = re.sub(r"<!--.*?-->\s*|@font-face\s*\{[^}]*\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"terminal-\d+", "terminal", svg).replace("Fira Code, monospace", "monospace")
