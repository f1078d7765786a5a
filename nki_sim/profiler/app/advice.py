"""The advice pane: advice with what its replays gain, findings, and what was thought of; worked out beside the keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock, Thread
from time import monotonic

from nki_sim.profiler.app.model import Run
from nki_sim.profiler.app.panes import Content, Entry
from nki_sim.profiler.app.state import State
from nki_sim.profiler.app.text import wrap
from nki_sim.profiler.words import percent, time_text
from nki_sim.program.spans import SourceSpan

_INDENT = " " * 4
_LINES = 4
_TURN_S = 0.0005


class Advisor:
    """Has the findings and the advice of runs worked out in threads that end with the program, if not before."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._working = Lock()
        self._began: dict[int, float] = {}
        self._known: set[int] = set()
        self._failed: dict[int, str] = {}

    def known(self, run: Run) -> bool:
        """Whether there is nothing more to wait for."""
        return id(run) in self._known

    def failed(self, run: Run) -> str:
        """Why there is no advice, "" when nothing went wrong."""
        return self._failed.get(id(run), "")

    def working_s(self, run: Run) -> float | None:
        """Seconds since the work on a run began; None when none is being done."""
        began = self._began.get(id(run))
        return None if began is None or self.known(run) else monotonic() - began

    def start(self, run: Run, then: Callable[[], None]) -> None:
        """Begin, unless it was begun before; `then` is called in the thread, after the findings and at the end."""
        with self._lock:
            if id(run) in self._began:
                return
            self._began[id(run)] = monotonic()
        # No worker of Textual's: quitting would wait for it.
        Thread(target=self._work, args=(run, then), daemon=True).start()

    def finish(self, run: Run) -> None:
        """Begin, unless it was begun before, and wait for the end."""
        self._began.setdefault(id(run), monotonic())
        if not self.known(run):
            self._work(run, lambda: None)

    def _work(self, run: Run, then: Callable[[], None]) -> None:
        with self._working, _short_turns():
            try:
                if run.profile.findings:
                    then()
                _ = run.profile.advised
            except Exception as error:  # shown in the pane: a thread has nobody to raise to
                self._failed[id(run)] = f"{type(error).__name__}: {error}"
        self._known.add(id(run))
        then()


@contextmanager
def _short_turns() -> Iterator[None]:
    """Threads change often, so that a key waits for the others' turns a few times for half a millisecond, not for 5."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, _TURN_S))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def advice_pane(state: State, width: int, advisor: Advisor) -> Content:
    """Of the run under the cursor. Entries are advice and findings; choosing one goes to its line."""
    found = Content()
    run = state.run
    name = f"{run.name}: " if len(state.runs) > 1 else ""
    note = "J K choose one and go to its line; n N go on from there"
    found.head_lines.append([(f"{name}advice and findings", "bold"), (f"  {note}", "dim")])
    _advice(state, run, width, advisor, found)
    # Findings are there long before the advice.
    if "findings" in run.profile.__dict__:
        found.head("findings", "habits that cost time; no gain is worked out for them")
        if not run.profile.findings:
            found.add("  none")
        for one in run.profile.findings:
            _entry(state, run, f"{one.code}: {one.message}", one.code, one.lines, width, found)
            found.lines += wrap(f"source: {one.source}", width, _INDENT, _INDENT, "dim")
    if advisor.known(run) and not advisor.failed(run):
        rejected = run.profile.advised.rejected
        if rejected:
            found.head("thought of, but no advice")
        for other in rejected:
            _entry(state, run, f"{other.title}: {other.why}", other.title, other.lines, width, found)
    return found


def _advice(state: State, run: Run, width: int, advisor: Advisor, found: Content) -> None:
    found.head("advice", "each gain is from replaying the changed kernel; gains do not add up")
    if advisor.failed(run):
        found.lines += wrap(f"it could not be worked out: {advisor.failed(run)}", width, "  ", "  ")
        return
    if not advisor.known(run):
        seconds = advisor.working_s(run) or 0.0
        found.add(f"  replaying changed kernels, {seconds:.0f} s so far; all keys work meanwhile")
        return
    profile = run.profile
    if not profile.replayable:
        found.add("  none: replaying the kernel as it is did not give the time of this run")
        return
    skipped = sum(one.why.startswith("not replayed") for one in profile.advised.rejected)
    if not profile.advised.found:
        found.add("  none of the changes thought of is known to gain 1 %")
    for one in profile.advised.found:
        gain = f"{time_text(one.gain_ns)} ({percent(one.gain_ratio)}) less: {one.title}"
        _entry(state, run, gain, one.title, one.lines, width, found)
        found.lines += wrap(f"{one.how}.", width, _INDENT, _INDENT)
        found.lines += wrap(f"replay: {one.replay}", width, _INDENT, _INDENT, "dim")
    if skipped:
        many = "1 change was" if skipped == 1 else f"{skipped} changes were"
        text = (
            f"{many} not replayed, as this kernel executes {int(run.timeline.counts.sum()):,} instructions: see below"
        )
        found.lines += wrap(text, width, "  ", "  ")


def _entry(
    state: State, run: Run, text: str, what: str, spans: Sequence[SourceSpan], width: int, found: Content
) -> None:
    """A headline of as many lines as it takes."""
    places = ", ".join(run.place(span) for span in spans[:_LINES]) + (", ..." if len(spans) > _LINES else "")
    index = state.index(state.runs.index(run))
    rows = partial(index.rows_on, tuple(spans))
    entry = Entry(line=len(found.lines), what=what, rows=rows, spans=tuple(spans))
    lines = wrap(f"{text}; {places}" if places else text, width - 2, "  ", "")
    found.choice("".join(piece for piece, _ in lines[0]), entry, state.entry)
    found.lines += [[("  ", ""), *one] for one in lines[1:]]
