"""The two engines, for tests whose bodies are the same on both."""

from collections.abc import Callable
from typing import Any

import pytest

from nki_sim.kernel import Kernel
from nki_sim.testing import assert_matches


@pytest.fixture(scope="session", params=["jit", "reference"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def matches(engine: str) -> Callable[..., None]:
    """assert_matches on the engine under test."""

    def run(kernel: Kernel, reference: Callable[..., Any], *args: Any, **options: Any) -> None:
        assert_matches(kernel.with_options(engine=engine), reference, *args, **options)

    return run
