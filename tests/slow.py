"""Which tests take seconds: `make check` leaves them out, `make test` runs them (marker `slow`, set in conftest.py).

One list for all, so that it is seen whole: a test enters when `pytest --durations=30` shows it above two seconds, and
leaves when it has become quick. A module may also carry `pytestmark = pytest.mark.slow` itself.
"""

from __future__ import annotations

SLOW: tuple[str, ...] = (
    "tests/checks/test_definedness.py::test_undefined_bytes_are_those_of_a_naive_interpreter",
    "tests/frontend/test_parser.py::test_accepts_what_cpython_accepts_with_the_same_positions",
    "tests/instructions_conformance/test_matmul.py::test_exact_where_sums_are_exact",
    "tests/instructions_conformance/test_scan.py::test_recurrence",
    "tests/jit/test_cache.py::test_memory_stays_flat_over_two_thousand_compiles",
    "tests/jit/test_matmul.py",
    "tests/kernels/test_library.py::test_its_example_is_right[matmul",
    "tests/kernels/test_library.py::test_its_example_is_right[flash_attention",
    "tests/language/test_functions.py::test_matmul_and_transpose",
    "tests/timing/test_dependences.py::test_every_consumer_starts_after_its_producers",
    "tests/timing/test_dependences.py::test_no_dependence_without_a_shared_byte",
    "tests/tutorials",
)
"""Beginnings of test names as pytest prints them."""


def is_slow(name: str) -> bool:
    """Whether the test with this node id is in the list."""
    return name.startswith(SLOW)
