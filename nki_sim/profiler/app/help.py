"""The keys: one table that the app binds, the help shows and the tests walk through."""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.profiler.app.model import STALL_LETTERS
from nki_sim.profiler.app.state import PANES
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
    Key("c", "mark_path", "c", "critical path: show, hide (# ~)"),
    Key("left_parenthesis", "path_step(-1)", "( )", "previous, next critical step"),
    Key("right_parenthesis", "path_step(1)"),
    Key("u", "unfold", "u", "queues: a lane per transfer"),
    Key("1", "pane(0)", "1 to 8", "a pane of the bar, next page"),
    *(Key(str(number + 1), f"pane({number})") for number in range(1, len(PANES))),
    Key("tab", "next_pane(1)", "tab", "next pane (shift: previous)"),
    Key("shift+tab", "next_pane(-1)"),
    Key("J", "entry(1)", "J K", "next, previous entry of the pane"),
    Key("K", "entry(-1)"),
    Key("m", "memory", "m", "memory: SBUF or PSUM"),
    Key("pagedown,space", "scroll(1)", "space", "pane down, backspace: up"),
    Key("pageup,backspace", "scroll(-1)"),
    Key("enter", "expand", "enter", "pane large, lanes small"),
    Key("escape", "clear", "esc", "drop marks, hits; small pane"),
    Key("question_mark", "help", "?", "this help"),
    Key("q", "quit", "q", "quit"),
)

HINTS = (
    "? help  arrows move  + - zoom  , . next  [ ] stall  ( ) path  / search  q quit",
    "  1-8 panes  J K entries  c path  esc drop",
)
"""At the bottom of the screen: the first always, the second where it has room."""

_KEY_CELLS = 8
_SIGN_CELLS = 14
_COLUMN_CELLS = 40
_LEGEND_CELLS = 100
_PANES = {
    "instruction": "when it ran and why then, its links, operands and cost, each term with its source",
    "region": "what the lanes did in the region, or in what shows; time by line",
    "source": "the kernel's text with the time of each line",
    "memory": "SBUF or PSUM by address over time; m changes between them",
    "summary": "the metrics with their definitions; of two runs, what changed",
    "path": "the critical path: what the total time is made of, by line and by step",
    "stalls": "what the engines waited for, by cause and by line",
    "advice": "what would make it faster and by how much; findings",
}
_LEGEND = (
    ("░▒▓█", "share of the cell the lane is busy"),
    ("[name=]", "one instruction; a queue's: a transfer. Zoom in to see more of them"),
    ("2 to 9 +", "a queue moves so many transfers at once; u gives each a lane"),
    ("l····", "idle, waiting for what the letter says; on a queue for DMA engines"),
    ("@ < >", "the cursor, what the instruction waited for, what waits for it"),
    ("*", "a hit of the search, or what belongs to the chosen entry"),
    ("# ~", "the critical path: at work, waiting or its result on the way"),
    ("{==}", "the region"),
    ("q sync hw", "DMA queue of Sync; descriptors by hardware, sw software, st static"),
)


def keys_lines(width: int) -> list[Line]:
    """All keys in as many columns as fit."""
    shown = [key for key in KEYS if key.shown]
    count = max(1, width // _COLUMN_CELLS)
    height = -(-len(shown) // count)
    lines: list[Line] = []
    for row in range(height):
        found: Line = []
        for key in shown[row::height]:
            found += [(f"{key.shown:<{_KEY_CELLS}}", "bold"), (f"{key.text:<{_COLUMN_CELLS - _KEY_CELLS}}", "")]
        lines.append(found)
    return lines


def legend_lines(width: int) -> list[Line]:
    """What the panes show and what the lanes' characters mean."""
    wide = min(width, _LEGEND_CELLS)
    lines: list[Line] = []
    for number, name in enumerate(PANES):
        lines += _explained(f"{number + 1} {name}", _PANES[name], wide)
    for sign, text in _LEGEND:
        lines += _explained(sign, text, wide)
    letters = " ".join(f"{letter}={name.replace(' ', '-')}" for name, letter in STALL_LETTERS.items() if letter.strip())
    return lines + _explained("letters", letters, wide)


def _explained(sign: str, text: str, width: int) -> list[Line]:
    head = f"{sign:<{_SIGN_CELLS}}"
    first, *others = wrap(text, width, " " * _SIGN_CELLS, head)
    return [[(head, "bold"), *first[1:]], *others]


def help_pages(width: int, height: int) -> list[list[Line]]:
    """Keys and legend, on one page where they fit."""
    keys, legend = keys_lines(width), legend_lines(width)
    room = max(1, height - 1)
    if len(keys) + len(legend) <= room:
        return [keys + legend]
    return [part[first : first + room] for part in (keys, legend) for first in range(0, len(part), room)]
