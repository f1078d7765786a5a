"""Functions of nl that the documents describe and nki_sim does not have yet; each says so when called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nki_sim.language.failure import fail

NAMES: tuple[str, ...] = ("rand", "random_seed", "dropout", "gather_flattened", "load_transpose2d")


def owed(name: str, room: str = "nl") -> Callable[..., Any]:
    """A stand-in for `name` that raises NotImplementedYet."""

    def function(*_: Any, **__: Any) -> Any:
        fail(
            "owed",
            f"{room}.{name} is documented, but nki_sim does not have it yet",
            fix=f"do without {room}.{name}, or compute it on the host and pass the result",
            owner="simulator",
        )

    function.__name__ = name
    function.__doc__ = "Documented, not simulated yet: raises NotImplementedYet."
    return function
