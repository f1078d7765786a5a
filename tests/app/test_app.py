"""The application itself: every key at 80 x 24 and 120 x 40 against golden screens, search, mouse, help, charges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from nki_sim.profiler.app.app import ViewApp
from nki_sim.profiler.app.help import HINTS, KEYS, help_pages
from nki_sim.profiler.app.picture import picture
from nki_sim.profiler.app.state import PANES
from nki_sim.profiler.app.text import plain
from nki_sim.profiler.profile import Profile
from nki_sim.timing.lanes import STALLS
from tests.app.fixed import fixed_profile
from tests.app.screens import restart, screen_text, with_app

GOLDEN = Path(__file__).parent / "golden"
SIZES = [(80, 24), (120, 40)]

# Before a key is pressed: the place where it has something to do.
BEFORE: dict[str, list[str]] = {
    "step(-1)": ["l", "l"],
    "lane(-1)": ["j"],
    "pan(-1)": ["plus", "plus", "L"],
    "pan(1)": ["plus", "plus"],
    "home": ["end"],
    "zoom(-1)": ["plus", "plus"],
    "whole": ["plus", "plus"],
    "neighbour(-1)": ["full_stop", "full_stop"],
    "stall(1)": ["k", "k", "k", "k"],
    "stall(-1)": ["k", "k", "k", "k", "right_square_bracket", "right_square_bracket"],
    "any_stall(-1)": ["right_curly_bracket", "right_curly_bracket"],
    "follow(0)": ["right_curly_bracket"],
    "back": ["right_curly_bracket"],
    "hit(1)": ["slash", "w", "e", "i", "enter"],
    "hit(-1)": ["slash", "m", "u", "l", "enter"],
    "clear": ["v", "l", "l"],
    "scroll(1)": ["3"],
    "scroll(-1)": ["3", "space"],
    "frame": ["v", "l", "l", "l"],
    "path_step(-1)": ["right_parenthesis", "right_parenthesis", "right_parenthesis"],
    "entry(1)": ["6"],
    "entry(-1)": ["6", "J", "J"],
}
# Numbers or words there belong to other parts of the project: their golden would break with every change of those.
LOOSE = {"pane(4)", "pane(6)"}


@pytest.fixture(scope="module")
def profile() -> Profile:
    return fixed_profile(2)


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
def test_every_key_shows_what_it_should(
    profile: Profile, size: tuple[int, int], golden: Callable[[Path, str], None]
) -> None:
    screens: list[str] = []

    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        for key in KEYS:
            if key.action == "quit":
                continue
            seen = ""
            # The other names of a key do not depend on the screen's size.
            for name in key.keys.split(",")[: None if size == SIZES[0] else 1]:
                restart(app)
                await pilot.press(*BEFORE.get(key.action, []))
                before = screen_text(app)
                await pilot.press(name)
                after = screen_text(app)
                assert after != before or key.action == "pane(0)", f"{name} does nothing"
                assert not seen or after == seen, f"{name} differs from the others of {key.keys}"
                seen = after
                if key.action in ("help", "search"):
                    await pilot.press("escape")
            if key.action not in LOOSE:
                screens.append(f"== {key.keys}: {key.action} ==\n{seen}")

    asyncio.run(with_app([profile], size, script))
    golden(GOLDEN / f"keys_{size[0]}x{size[1]}.txt", "\n".join(screens))


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
def test_two_runs_side_by_side(profile: Profile, size: tuple[int, int], golden: Callable[[Path, str], None]) -> None:
    screens: list[str] = []

    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        for keys in ("5", "enter", "enter j j z", "4", "3"):
            await pilot.press(*keys.split())
            await pilot.pause()
            shown = screen_text(app).splitlines(keepends=True)
            # What is compared in the pane, and its words, are the comparison's own.
            screens.append(f"== {keys} ==\n{''.join(shown[: app.heights()[0] + 1] if app.state.pane == 4 else shown)}")

    asyncio.run(with_app([profile, fixed_profile(3, slower=1.5)], size, script))
    golden(GOLDEN / f"compared_{size[0]}x{size[1]}.txt", "\n".join(screens))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (50, 15), (200, 60), (30, 8)])
def test_any_size_of_screen_is_filled_and_not_overrun(profile: Profile, size: tuple[int, int]) -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        for key in ("1", "2", "3", "4", "5", "6", "7", "8", "v", "c", "enter"):
            await pilot.press(key)
            await pilot.pause()
            lines = screen_text(app).splitlines()
            assert len(lines) == size[1]
            assert all(cell_len(line) <= size[0] for line in lines)
            assert "tiled_matmul" in lines[0] and any("@" in line for line in lines)
            assert any(f"{app.state.pane + 1} {PANES[app.state.pane]}"[:7] in line for line in lines)

    asyncio.run(with_app([profile], size, script))


def test_a_resized_screen_keeps_the_cursor(profile: Profile) -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        await pilot.press("right_curly_bracket", "plus")
        before = app.state.selected
        await pilot.resize_terminal(110, 30)
        await pilot.pause()
        assert app.state.selected == before and app.state.window.cells == 110 - 16
        assert all(len(line) <= 110 for line in screen_text(app).splitlines())

    asyncio.run(with_app([profile], (80, 24), script))


def test_help_names_every_key_and_any_key_closes_it(profile: Profile) -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        keys = screen_text(app)
        assert all(key.text in keys for key in KEYS) and "page 1 of 2" in keys
        await pilot.press("space")
        await pilot.pause()
        legend = screen_text(app)
        assert "page 2 of 2" in legend and all(f"{number} {name}" in legend for number, name in enumerate(PANES, 1))
        assert all(f"={cause.replace(' ', '-')}" in legend for cause in STALLS[1:])
        await pilot.press("q")
        await pilot.pause()
        assert "[1 instr]" in screen_text(app) and app.is_running

    asyncio.run(with_app([profile], (80, 24), script))


def test_help_and_bindings_are_one_list() -> None:
    bound = {name for key in KEYS for name in key.keys.split(",")}
    assert len(bound) == sum(len(key.keys.split(",")) for key in KEYS), "a key is bound twice"
    for key in KEYS:
        name = key.action.partition("(")[0]
        assert hasattr(ViewApp, f"action_{name}"), key
    assert len(help_pages(80, 24)) == 2 and len(help_pages(120, 40)) == 1
    for width, height in ((80, 24), (120, 40), (40, 10)):
        for page in help_pages(width, height):
            assert len(page) < height and all(cell_len(plain(line)) <= width for line in page)
    assert len(HINTS[0]) <= 80 and len("".join(HINTS)) <= 120


def test_quit(profile: Profile) -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        await pilot.press("q")
        await pilot.pause()
        assert not app.is_running

    asyncio.run(with_app([profile], (80, 24), script))


def test_while_searching_keys_are_text(profile: Profile) -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"qz?1 ")
        await pilot.pause()
        assert app.searching and app.is_running and app.state.pane == 0
        assert "qz?1" in screen_text(app).splitlines()[23]
        await pilot.press("escape")
        await pilot.pause()
        assert not app.searching and not app.state.found
        await pilot.press("slash", *"right", "enter")
        await pilot.pause()
        assert "right: 1 of 8" in screen_text(app).splitlines()[23]
        assert app.state.selected is not None
        assert app.state.selected.run.label(app.state.selected.row) == "trigger"
        await pilot.press("n")
        assert app.state.message == "right: 2 of 8"

    asyncio.run(with_app([profile], (80, 24), script))


def test_the_charged_terms_come_when_the_cursor_rests(profile: Profile) -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        copy = next(n for n, one in enumerate(app.runs[0].timeline.instructions) if one.op == "tensor_copy")
        assert app.charges.known(app.runs[0], copy) is None
        await pilot.press("slash", *"tensor_copy", "enter")
        one = app.state.selected
        assert one is not None and one.instruction == copy
        for _ in range(400):
            if app.charges.known(one.run, one.instruction) is not None:
                break
            await pilot.pause(0.05)
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.press("enter", "space")
        await pilot.pause()
        text = screen_text(app)
        assert "occupying the engine" in text and "vector.issue_cycles" in text and "source: " in text

    asyncio.run(with_app([profile], (120, 40), script, ViewApp))


def test_the_mouse_points_zooms_and_marks(profile: Profile) -> None:
    async def script(app: ViewApp, pilot: Pilot[None]) -> None:
        await pilot.click("#lanes", offset=(15 + 20, 2))
        assert app.state.current == 1 and app.state.window.cursor_cell == 20
        await pilot.mouse_down("#lanes", offset=(15 + 5, 1))
        await pilot.mouse_up("#lanes", offset=(15 + 14, 1))
        await pilot.pause()
        cell = app.state.window.cell_ns
        assert app.state.region == pytest.approx((5 * cell, 15 * cell))
        assert PANES[app.state.pane] == "region"
        await pilot.click("#pane", offset=(20, 2))
        assert app.state.window.cursor_cell == 5

    asyncio.run(with_app([profile], (80, 24), script))


def test_pictures_are_the_same_each_time(profile: Profile) -> None:
    first = picture([profile], ["4"], (80, 24))
    second = picture([profile], ["4"], (80, 24))
    assert first == second
    assert first[0].startswith("<svg") and "[4&#160;memory]" in first[0]
    assert "[4 memory]" in first[1]
    # A picture waits for the advice.
    waited = picture([profile], ["8"], (80, 40))[1]
    assert "ADVICE" in waited and "so far" not in waited
