"""A recorder outside of a kernel, for tests of the language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType

from nki_sim import targets
from nki_sim.frontend.recorder import Recorder
from nki_sim.program.ir import Program


def _entry() -> CodeType:
    return _entry.__code__


@contextmanager
def recording(target: str = "trn2") -> Iterator[Recorder]:
    """Within this block, nl and nisa calls record; instructions carry no useful source position."""
    recorder = Recorder(Program(name="test", target=target), targets.load(target), _entry(), lambda code: None)
    with recorder.active():
        yield recorder
