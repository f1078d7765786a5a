"""The app driven without a terminal: its screen as text, and an app whose charges never come by themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.pilot import Pilot

from nki_sim.profiler.app.app import ViewApp
from nki_sim.profiler.app.picture import screen_text
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.widgets import PaneView
from nki_sim.profiler.profile import Profile


class QuietApp(ViewApp):
    """Charged terms and advice, which follow the model's constants, stay out of the screens that are compared."""

    REST_S = 1e6

    def _await_advice(self) -> None:
        pass


async def with_app(
    profiles: list[Profile],
    size: tuple[int, int],
    script: Callable[[ViewApp, Pilot[None]], Awaitable[None]],
    kind: type[ViewApp] = QuietApp,
) -> ViewApp:
    """Run `script` on the app, and give the app back."""
    app = kind(profiles)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await script(app, pilot)
    return app


def restart(app: ViewApp) -> None:
    """The app as it began."""
    for run in app.runs:
        run.arranged = run.folded
    app.state = State(app.runs, app.state.window.cells)
    app.pane_view = PaneView()
    app.expanded = False
    app.redraw()


__all__ = ["QuietApp", "restart", "screen_text", "with_app"]
