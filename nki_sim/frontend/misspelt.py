"""The likely fix for a name or a keyword that Python did not know while a kernel was built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from difflib import get_close_matches
from types import FrameType, ModuleType

_UNKNOWN_KEYWORD = re.compile(r"^([\w.]+)\(\) got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"^([\w.]+)\(\) missing \d+ required (?:positional|keyword-only) arguments?: ")


def fix_of(error: BaseException) -> str:
    """What to write instead; '' where nothing is near. For AttributeError, NameError and TypeError of a call."""
    if isinstance(error, AttributeError) and error.name is not None and error.obj is not None:
        near = _near(error.name, dir(error.obj))
        owner = _short(error.obj) if isinstance(error.obj, ModuleType) else ""
        return f"write {owner}.{near}" if near and owner else f"write .{near}" if near else ""
    frame = _last_frame(error)
    if frame is None:
        return ""
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError) and error.name is not None:
        near = _near(error.name, (*frame.f_locals, *frame.f_globals))
        return f"write {near}" if near else ""
    return _fix_of_call(str(error), frame) if isinstance(error, TypeError) else ""


def _fix_of_call(message: str, frame: FrameType) -> str:
    """The fix of a call with an argument too many or too few, when it is to a function the frame can reach."""
    keyword, missing = _UNKNOWN_KEYWORD.match(message), _MISSING.match(message)
    found = keyword or missing
    parameters = _parameters(found[1], frame) if found else []
    if not parameters:
        return ""
    if keyword:
        near = _near(keyword[2], parameters)
        if near:
            return f"write {near}="
    return f"it takes {', '.join(parameters)}"


def _parameters(name: str, frame: FrameType) -> list[str]:
    """The parameters of the function or class called `name`, in the frame's names or in its modules."""
    first = name.removesuffix(".__init__").split(".")[0]
    known = {**frame.f_globals, **frame.f_locals}
    places = [known, *(vars(module) for module in known.values() if isinstance(module, ModuleType))]
    for place in places:
        function = place.get(first)
        if callable(function):
            try:
                return list(inspect.signature(function).parameters)
            except (TypeError, ValueError):
                return []
    return []


def _last_frame(error: BaseException) -> FrameType | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame if trace is not None else None


def _near(name: str, known: Iterable[str]) -> str:
    """The known public name that `name` was probably meant to be, or ''."""
    found = get_close_matches(name, [one for one in known if not one.startswith("_")], n=1)
    return found[0] if found else ""


def _short(module: ModuleType) -> str:
    """What kernels call a module."""
    return {"nki_sim.isa": "nisa", "nki_sim.language": "nl"}.get(module.__name__, module.__name__.rpartition(".")[2])
