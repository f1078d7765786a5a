"""One test body per instruction, run on every engine there is: the `engine` fixture is an engine's `prepare`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "conformance",
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _engines() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for name in ("reference", "jit"):
        try:
            module = import_module(f"nki_sim.engines.{name}")
        except ImportError:
            continue
        if hasattr(module, "prepare"):
            found[name] = module.prepare
    return found


_ENGINES = _engines()


@pytest.fixture(scope="session", params=sorted(_ENGINES))
def engine(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`prepare` of one engine."""
    return _ENGINES[request.param]
