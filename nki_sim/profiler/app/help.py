"""The keys: one table that the app binds, the help shows and the tests walk through."""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.profiler.app.model import STALL_LETTERS
from nki_sim.profiler.app.text import Line, wrap


@dataclass(frozen=True, slots=True)
class Key:
    """keys: Textual's names, separated by commas; shown: as people write them; action: of the app."""

    keys: str
    shown: str
    action: str
    text: str


KEYS: tuple[Key, ...] = (
    Key("left,h", "← h", "step(-1)", "cursor a cell to the left"),
    Key("right,l", "→ l", "step(1)", "cursor a cell to the right"),
    Key("up,k", "↑ k", "lane(-1)", "lane above"),
    Key("down,j", "↓ j", "lane(1)", "lane below"),
    Key("shift+left,H", "H", "pan(-1)", "half a screen earlier"),
    Key("shift+right,L", "L", "pan(1)", "half a screen later"),
    Key("home,0", "0", "home", "start of the run"),
    Key("end,dollar_sign", "$", "end", "end of the run"),
    Key("plus,equals_sign", "+", "zoom(1)", "zoom in at the cursor"),
    Key("minus,underscore", "-", "zoom(-1)", "zoom out"),
    Key("a", "a", "whole", "all of the run"),
    Key("z", "z", "frame", "zoom to region or instruction"),
    Key("full_stop,greater_than_sign", ".", "neighbour(1)", "next instruction of the lane"),
    Key("comma,less_than_sign", ",", "neighbour(-1)", "previous instruction"),
    Key("right_square_bracket", "]", "stall(1)", "next stall of the lane"),
    Key("left_square_bracket", "[", "stall(-1)", "previous stall of the lane"),
    Key("right_curly_bracket", "}", "any_stall(1)", "next stall of any lane"),
    Key("left_curly_bracket", "{", "any_stall(-1)", "previous stall of any lane"),
    Key("w", "w", "follow(0)", "what it waited for (<)"),
    Key("s", "s", "follow(1)", "what waited for it (>)"),
    Key("b", "b", "back", "back from a jump"),
    Key("slash", "/", "search", "search op tensor :line #n"),
    Key("n", "n", "hit(1)", "next hit (*)"),
    Key("N", "N", "hit(-1)", "previous hit"),
    Key("v", "v", "mark", "begin a region, keep it"),
    Key("escape", "esc", "clear", "drop region and search"),
    Key("1", "1", "pane(0)", "instruction pane"),
    Key("2", "2", "pane(1)", "region pane"),
    Key("3", "3", "pane(2)", "source pane"),
    Key("4", "4", "pane(3)", "memory pane"),
    Key("5", "5", "pane(4)", "summary, or two runs compared"),
    Key("tab", "tab", "next_pane(1)", "next pane"),
    Key("shift+tab", "S-tab", "next_pane(-1)", "previous pane"),
    Key("m", "m", "memory", "memory pane: SBUF or PSUM"),
    Key("pagedown,space", "space", "scroll(1)", "pane: further down"),
    Key("pageup,backspace", "bksp", "scroll(-1)", "pane: back up"),
    Key("enter", "enter", "expand", "pane large, lanes small"),
    Key("question_mark", "?", "help", "this help"),
    Key("q", "q", "quit", "quit"),
)

HINTS = "? help  ←→ ↑↓ cursor  + - zoom  , . instruction  [ ] stall  / search  q quit"

_KEY_CELLS = 7
_COLUMN_CELLS = 39
_LEGEND_CELLS = 100


def help_lines(width: int) -> list[Line]:
    """All keys in as many columns as fit, then what the lanes' characters mean."""
    count = max(1, (width + 1) // (_COLUMN_CELLS + 1))
    height = -(-len(KEYS) // count)
    lines: list[Line] = []
    for row in range(height):
        found: Line = []
        for key in KEYS[row::height]:
            found += [(f"{key.shown:<{_KEY_CELLS}}", "bold"), (f"{key.text:<{_COLUMN_CELLS - _KEY_CELLS + 1}}", "")]
        lines.append(found)
    letters = [f"{letter}={name}" for name, letter in STALL_LETTERS.items() if letter.strip()]
    lines.append([("░▒▓█ share busy  [name==] one instruction  @ cursor  q: DMA queue of an engine", "dim")])
    lines += [[*one, ("", "dim")] for one in wrap(" ".join(letters), min(width, _LEGEND_CELLS), "", "waits: ", "dim")]
    return lines
