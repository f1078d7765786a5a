"""The Textual application: keys and mouse to State, State to lines, lines to the terminal."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.events import Key, MouseDown, MouseEvent, MouseScrollDown, MouseScrollUp, MouseUp, Resize
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input

from nki_sim.profiler.app import help as keys
from nki_sim.profiler.app import jumps
from nki_sim.profiler.app.advice import Advisor, advice_pane
from nki_sim.profiler.app.compare import summary_pane
from nki_sim.profiler.app.inspector import Charges, instruction_pane
from nki_sim.profiler.app.lanes import AROUND, FRAME_CELLS, LABEL_CELLS, first_place, lane_lines
from nki_sim.profiler.app.memory import MemoryViews, memory_pane
from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content, Reports
from nki_sim.profiler.app.path import path_pane
from nki_sim.profiler.app.region import region_pane
from nki_sim.profiler.app.source import source_pane
from nki_sim.profiler.app.stalls import stalls_pane
from nki_sim.profiler.app.state import PANES, State
from nki_sim.profiler.app.text import fit, line
from nki_sim.profiler.app.widgets import Lines, PaneView, pane_title
from nki_sim.profiler.profile import Profile

_ZOOM = 2.0
_FIXED_LINES = 2
"""Pane title and footer."""


@contextmanager
def settled() -> Iterator[None]:
    """Keep the garbage collector off what exists already: scanning a long run's objects would hold up a key."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def view(profiles: Sequence[Profile]) -> None:
    """Show one or two profiles until the user quits."""
    app = ViewApp(profiles)
    with settled():
        app.run()


class Help(ModalScreen[None]):
    """All keys, and what the characters mean; space turns the page, any other key closes it."""

    DEFAULT_CSS = "Help { align: left top; } Help Lines { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._page = 0

    def compose(self) -> ComposeResult:
        yield Lines(id="help")

    def on_resize(self, event: Resize) -> None:
        self._show(event.size.width, event.size.height)

    def _show(self, width: int, height: int) -> None:
        pages = keys.help_pages(width, height)
        self._page %= len(pages)
        last = "any key closes this"
        if len(pages) > 1:
            last = f"page {self._page + 1} of {len(pages)}: space turns it, any other key closes this"
        self.query_one("#help", Lines).show([*pages[self._page], line((last, "bold"))])

    def on_key(self, event: Key) -> None:
        # Stopped here, or the key would do its work behind the closed help.
        event.stop()
        if event.key == "space":
            self._page += 1
            self._show(self.size.width, self.size.height)
            return
        self.dismiss()

    def on_click(self) -> None:
        self.dismiss()


class ViewApp(App[None]):
    """`nki-sim view`: one or two profiles to look around in."""

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    REST_S = 0.15
    """Charged terms are worked out when the cursor has rested this long."""

    CSS = """
    Screen { layout: vertical; }
    #lanes { height: 10; }
    #title { height: 1; }
    #pane { height: 1fr; }
    #footer { height: 1; }
    #query { height: 1; border: none; padding: 0; display: none; }
    """
    BINDINGS = [  # noqa: RUF012 (Textual's convention)
        *(Binding(key.keys, key.action, key.text, show=False, priority="tab" in key.keys) for key in keys.KEYS)
    ]

    def __init__(self, profiles: Sequence[Profile]) -> None:
        super().__init__(ansi_color=True)
        names = [""] if len(profiles) == 1 else ["A", "B"]
        self.runs = [Run(profile, name).prepare() for profile, name in zip(profiles, names, strict=True)]
        self.state = State(self.runs)
        for number in range(len(self.runs)):
            self.state.index(number)
        self.charges = Charges()
        self.memories = MemoryViews(self.runs)
        self.reports = Reports()
        self.advisor = Advisor()
        self.pane_view = PaneView()
        self.expanded = False
        self._asking = False
        self._rest: Timer | None = None
        self._tick: Timer | None = None
        self._drag: tuple[int, int] | None = None

    def compose(self) -> ComposeResult:
        yield Lines(id="lanes")
        yield Lines(id="title")
        yield Lines(id="pane")
        yield Lines(id="footer")
        yield Input(id="query", placeholder="op, function or tensor; :58 or file.py:58 a line; #12 an instruction")

    def on_mount(self) -> None:
        self.redraw()

    def on_resize(self, event: Resize) -> None:
        # The app's own size is the new one only when the event has gone through.
        self.call_after_refresh(self.redraw)

    # -- drawing ------------------------------------------------------------------------------------------------------

    def heights(self) -> tuple[int, int]:
        """Lines of the lanes' block and of the pane."""
        room = max(AROUND + 2, self.size.height - _FIXED_LINES)
        lanes = AROUND + (1 if self.expanded else max(1, len(self.state.places)))
        lanes = min(lanes, max(AROUND + 1, (room * 2) // 3))
        return lanes, max(1, room - lanes)

    def redraw(self) -> None:
        """Everything, from the state."""
        width = max(FRAME_CELLS + 8, self.size.width)
        lanes, height = self.heights()
        block = self.query_one("#lanes", Lines)
        if block.styles.height is None or block.styles.height.value != lanes:
            block.styles.height = lanes
        block.show(lane_lines(self.state, width, lanes))
        content = self._content(width, height)
        shown = self.pane_view.visible(content, height, self._subject())
        self.query_one("#pane", Lines).show([fit(one_line, width) for one_line in shown])
        position = self.pane_view.position
        title = pane_title(self.state.pane, position, len(self.runs) > 1, width)
        self.query_one("#title", Lines).show([fit(title, width)])
        message, hints = self.state.message, "".join(keys.HINTS)
        hints = hints if len(hints) <= width else keys.HINTS[0]
        footer = line((message, "bold")) if message else line((hints, "dim"))
        self.query_one("#footer", Lines).show([fit(footer, width)])
        self._await_rest()
        self._await_advice()

    def _subject(self) -> object:
        """What the pane is about: when that changes, scrolling starts anew."""
        state = self.state
        name = PANES[state.pane]
        one = state.selected
        if name in ("instruction", "source") or (name == "path" and state.on_path):
            return state.pane, state.current, None if one is None else one.row
        return state.pane, state.run.name, state.entry

    def _content(self, width: int, height: int) -> Content:
        name = PANES[self.state.pane]
        if name == "instruction":
            return instruction_pane(self.state, width, self.charges)
        if name == "region":
            return region_pane(self.state, width)
        if name == "source":
            return source_pane(self.state, width)
        if name == "memory":
            return memory_pane(self.state, width, height, self.memories)
        if name == "path":
            return path_pane(self.state, width)
        if name == "stalls":
            return stalls_pane(self.state, width, self.reports)
        if name == "advice":
            return advice_pane(self.state, width, self.advisor)
        return summary_pane(self.state, width, self.reports)

    def _await_rest(self) -> None:
        """Have the charged terms computed beside the keys, once they pause."""
        if self._rest is not None:
            self._rest.stop()
            self._rest = None
        one = self.state.selected
        if PANES[self.state.pane] != "instruction" or one is None or one.instruction < 0:
            return
        if self.charges.known(one.run, one.instruction) is None:
            self._rest = self.set_timer(self.REST_S, self._compute_charges)

    def _compute_charges(self) -> None:
        one = self.state.selected
        if one is None or one.instruction < 0:
            return
        run, instruction = one.run, one.instruction

        def work() -> None:
            self.charges.compute(run, instruction)
            self.call_from_thread(self.redraw)

        self.run_worker(work, thread=True, exclusive=True)

    def _await_advice(self) -> None:
        """Have the advice worked out beside the keys once its pane is looked at, and show how long it takes."""
        run = self.state.run
        if PANES[self.state.pane] != "advice" or self.advisor.known(run):
            return
        self.advisor.start(run, self._advised)
        if self._tick is None:
            self._tick = self.set_interval(1.0, self._show_progress)

    def _advised(self) -> None:
        """Called by the thread that works out the advice."""
        # The app may end at any moment; then there is nobody to show it to.
        with suppress(RuntimeError):
            if self.is_running:
                # Not call_from_thread, which would have this thread wait for the screen.
                self.call_later(self.redraw)

    def _show_progress(self) -> None:
        if PANES[self.state.pane] == "advice" and not self.advisor.known(self.state.run):
            self.redraw()

    # -- keys: each clears the last message, changes the state and draws ----------------------------------------------

    @property
    def searching(self) -> bool:
        """Whether a query is being typed."""
        return self._asking

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a query is being typed keys are its text, and help closes by itself."""
        if isinstance(self.screen, Help):
            return False
        return action == "clear" or not self.searching

    def _command(self, change: Callable[[], object]) -> None:
        self.state.message = ""
        change()
        self.redraw()

    def action_step(self, cells: int) -> None:
        self._command(lambda: self.state.step(cells))

    def action_lane(self, by: int) -> None:
        self._command(lambda: self.state.move_lane(by))

    def action_pan(self, by: int) -> None:
        self._command(lambda: self.state.pan(by / 2))

    def action_home(self) -> None:
        self._command(self.state.home)

    def action_end(self) -> None:
        self._command(self.state.end)

    def action_zoom(self, by: int) -> None:
        self._command(lambda: self.state.zoom(_ZOOM**by))

    def action_whole(self) -> None:
        self._command(self.state.whole)

    def action_frame(self) -> None:
        self._command(self.state.frame)

    def action_neighbour(self, by: int) -> None:
        self._command(lambda: self.state.neighbour(by))

    def action_stall(self, by: int) -> None:
        self._command(lambda: jumps.stall(self.state, by))

    def action_any_stall(self, by: int) -> None:
        self._command(lambda: jumps.stall(self.state, by, everywhere=True))

    def action_follow(self, forward: int) -> None:
        self._command(lambda: jumps.follow(self.state, bool(forward)))

    def action_mark_path(self) -> None:
        self._command(lambda: jumps.mark_path(self.state))

    def action_path_step(self, by: int) -> None:
        self._command(lambda: jumps.path_step(self.state, by))

    def action_unfold(self) -> None:
        self._command(self.state.unfold)

    def action_entry(self, by: int) -> None:
        self._command(lambda: self._choose(by=by))

    def _choose(self, *, by: int = 0, at: int | None = None) -> None:
        """Choose the entry `by` further in the pane; with by = 0 the one on its line `at`, if there is one."""
        content = self._content(max(FRAME_CELLS + 8, self.size.width), self.heights()[1])
        count = len(content.entries)
        number: int | None
        if not by:
            number = next((n for n, entry in enumerate(content.entries) if entry.line == at), None)
        elif not count:
            self.state.message = "nothing to choose in this pane; 2, 3, 6, 7 and 8 have something"
            return
        elif content.chosen is None:
            number = 0 if by > 0 else count - 1
        else:
            number = content.chosen + by
        if number is None or not 0 <= number < count:
            if by:
                self.state.message = f"no {'further' if by > 0 else 'earlier'} entry in this pane"
            return
        jumps.choose(self.state, number, content.entries[number])

    def action_back(self) -> None:  # type: ignore[override]  # Textual's own goes back a screen; there is one
        self._command(self.state.back)

    def action_hit(self, by: int) -> None:
        self._command(lambda: self.state.hit(by))

    def action_mark(self) -> None:
        self._command(self.state.toggle_mark)

    def action_pane(self, pane: int) -> None:
        self._command(lambda: self.state.show(pane))

    def action_next_pane(self, by: int) -> None:
        self._command(lambda: self.state.show(self.state.pane + by))

    def action_memory(self) -> None:
        self._command(self.state.other_memory)

    def action_scroll(self, pages: int) -> None:
        self._command(lambda: self.pane_view.scroll(pages))

    def action_expand(self) -> None:
        self.expanded = not self.expanded
        self._command(lambda: None)

    def action_help(self) -> None:
        self.push_screen(Help())

    def action_search(self) -> None:
        query = self.query_one("#query", Input)
        query.value = ""
        self._ask(True)
        query.focus()

    def action_clear(self) -> None:
        if self.searching:
            self._ask(False)
            self._command(lambda: None)
            return
        self.expanded = self.expanded and self.state.any_marks
        self._command(self.state.clear)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._ask(False)
        self._command(lambda: self.state.search(event.value))

    def _ask(self, shown: bool) -> None:
        """The query's line in place of the footer."""
        self._asking = shown
        self.query_one("#query", Input).display = shown
        self.query_one("#footer", Lines).display = not shown
        if not shown:
            self.set_focus(None)

    # -- mouse --------------------------------------------------------------------------------------------------------

    def _cell(self, event: MouseEvent) -> tuple[int, int] | None:
        """(lane, cell) under the mouse, or None beside the lanes."""
        block = self.query_one("#lanes", Lines)
        if event.screen_y >= block.size.height or isinstance(self.screen, Help):
            return None
        lanes = block.size.height - AROUND
        cell = int(event.screen_x) - LABEL_CELLS - 1
        number = int(event.screen_y) - 1
        if not (0 <= cell < self.state.window.cells and 0 <= number < lanes):
            return None
        return number + first_place(self.state, lanes), cell

    def on_mouse_down(self, event: MouseDown) -> None:
        self._drag = self._cell(event)
        if self._drag is not None:
            lane, cell = self._drag
            self._command(lambda: self.state.point(lane, cell))
            return
        pane = self.query_one("#pane", Lines).region
        if not isinstance(self.screen, Help) and pane.contains(int(event.screen_x), int(event.screen_y)):
            number = self.pane_view.line_at(int(event.screen_y) - pane.y)
            self._command(lambda: self._choose(at=number))

    def on_mouse_up(self, event: MouseUp) -> None:
        """A drag marks a region."""
        at, start = self._cell(event), self._drag
        self._drag = None
        if at is not None and start is not None and at[1] != start[1]:
            self._command(lambda: self.state.mark_cells(start[1], at[1]))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self._wheel(event, 1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self._wheel(event, -1)

    def _wheel(self, event: MouseEvent, by: int) -> None:
        """On the lanes it zooms, elsewhere it scrolls the pane."""
        if self._cell(event) is None:
            self.action_scroll(-by)
        else:
            self.action_zoom(by)
