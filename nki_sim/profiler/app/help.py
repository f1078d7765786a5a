"""The keys: one table that the app binds, the help shows and the tests walk through."""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.profiler.app.model import STALL_LETTERS
from nki_sim.profiler.app.text import Line, wrap


@dataclass(frozen=True, slots=True)
class Key:
    """keys: Textual's names, separated by commas; action: of the app; shown and text: as people write them, empty for
    the second key of a pair, which stands with the first."""

    keys: str
    action: str
    shown: str = ""
    text: str = ""


KEYS: tuple[Key, ...] = (
    Key("left,h", "step(-1)", "← → h l", "cursor a cell left, right"),
    Key("right,l", "step(1)"),
    Key("up,k", "lane(-1)", "↑ ↓ k j", "lane above, below"),
    Key("down,j", "lane(1)"),
    Key("shift+left,H", "pan(-1)", "H L", "half a screen earlier, later"),
    Key("shift+right,L", "pan(1)"),
    Key("home,0", "home", "0 $", "start, end of the run"),
    Key("end,dollar_sign", "end"),
    Key("plus,equals_sign", "zoom(1)", "+ -", "zoom in, out at the cursor"),
    Key("minus,underscore", "zoom(-1)"),
    Key("a", "whole", "a", "all of the run"),
    Key("z", "frame", "z", "zoom to region or instruction"),
    Key("comma,less_than_sign", "neighbour(-1)", ", .", "previous, next instruction"),
    Key("full_stop,greater_than_sign", "neighbour(1)"),
    Key("left_square_bracket", "stall(-1)", "[ ]", "previous, next stall of lane"),
    Key("right_square_bracket", "stall(1)"),
    Key("left_curly_bracket", "any_stall(-1)", "{ }", "previous, next stall anywhere"),
    Key("right_curly_bracket", "any_stall(1)"),
    Key("w", "follow(0)", "w", "what it waited for (<)"),
    Key("s", "follow(1)", "s", "what waited for it (>)"),
    Key("b", "back", "b", "back from a jump"),
    Key("slash", "search", "/", "search: op tensor :line #n"),
    Key("n", "hit(1)", "n N", "next, previous hit (*)"),
    Key("N", "hit(-1)"),
    Key("v", "mark", "v", "begin a region, keep it"),
    Key("escape", "clear", "esc", "drop region and search"),
    Key("1", "pane(0)", "1", "instruction, its costs and links"),
    Key("2", "pane(1)", "2", "region, or what the window shows"),
    Key("3", "pane(2)", "3", "source with heat"),
    Key("4", "pane(3)", "4", "memory over time"),
    Key("5", "pane(4)", "5", "summary, or two runs compared"),
    Key("tab", "next_pane(1)", "tab", "next pane (shift: previous)"),
    Key("shift+tab", "next_pane(-1)"),
    Key("m", "memory", "m", "memory: SBUF or PSUM"),
    Key("pagedown,space", "scroll(1)", "space", "pane down, backspace: up"),
    Key("pageup,backspace", "scroll(-1)"),
    Key("enter", "expand", "enter", "pane large, lanes small"),
    Key("question_mark", "help", "?", "this help"),
    Key("q", "quit", "q", "quit"),
)

HINTS = "? help  ←→ ↑↓ cursor  + - zoom  , . instruction  [ ] stall  / search  q quit"

_KEY_CELLS = 8
_COLUMN_CELLS = 40
_LEGEND_CELLS = 100
_LEGEND = (
    ("░▒▓█", "share of the cell the lane is busy"),
    ("[name=]", "one instruction; a queue's: a transfer. Zoom in to see more of them"),
    ("l····", "idle, waiting for what the letter says"),
    ("@ < >", "the cursor, what the instruction waited for, what waits for it"),
    ("q sync hw", "DMA queue of Sync; descriptors by hardware, sw software, st static"),
)


def help_lines(width: int) -> list[Line]:
    """All keys in as many columns as fit, then what the lanes' characters mean."""
    shown = [key for key in KEYS if key.shown]
    count = max(1, width // _COLUMN_CELLS)
    height = -(-len(shown) // count)
    lines: list[Line] = []
    for row in range(height):
        found: Line = []
        for key in shown[row::height]:
            found += [(f"{key.shown:<{_KEY_CELLS}}", "bold"), (f"{key.text:<{_COLUMN_CELLS - _KEY_CELLS}}", "")]
        lines.append(found)
    lines += [[(f"{sign:<10}", "bold"), (text, "")] for sign, text in _LEGEND]
    letters = " ".join(f"{letter}={name.replace(' ', '-')}" for name, letter in STALL_LETTERS.items() if letter.strip())
    return lines + wrap(letters, min(width, _LEGEND_CELLS), "", "letters:  ")
