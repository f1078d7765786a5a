"""Which tests take time: `make check` leaves them out, `make test` runs them (marker `slow`, set in conftest.py).

One list for all, so that it is seen whole. It holds single tests above a second of processor time and families of tests
that add up to several, so that the others together stay below a minute on two cores. A module may also carry
`pytestmark = pytest.mark.slow` itself.
"""

from __future__ import annotations

SLOW: tuple[str, ...] = (
    "tests/app/test_app.py::test_every_key_shows_what_it_should",
    "tests/app/test_panes.py::test_runs_of_nothing_and_of_one_instruction_take_every_key",
    "tests/app/test_panes.py::test_the_views_of_path_stalls_and_advice",
    "tests/app/test_touched.py",
    "tests/bad_kernels/test_bad_kernels.py::test_mended_kernel_passes_and_runs_on_both_engines",
    "tests/bad_kernels/test_coverage.py",
    "tests/checks/test_definedness.py::test_undefined_bytes_are_those_of_a_naive_interpreter",
    "tests/checks/test_overlap.py::test_clobbers_are_those_of_a_naive_interpreter",
    "tests/compat/test_install.py::test_running",
    "tests/diagnostics/test_call_pages.py::test_page_shows_what_a_call_says[endless-loop",
    "tests/exports/test_html.py",
    "tests/frontend/test_parser.py::test_accepts_what_cpython_accepts_with_the_same_positions",
    "tests/instructions_conformance/test_matmul.py::test_exact_where_sums_are_exact",
    "tests/instructions_conformance/test_scan.py::test_recurrence",
    "tests/jit/test_cache.py::test_memory_stays_flat_over_two_thousand_compiles",
    "tests/jit/test_matmul.py",
    "tests/jit/test_types.py::test_stores_round_as_the_reference_does",
    "tests/kernels/test_attention.py",
    "tests/kernels/test_library.py",
    "tests/kernels/test_matmul.py",
    "tests/language/test_functions.py::test_matmul_and_transpose",
    "tests/language/test_plain_indexing.py::test_quick_and_general_indexing_agree",
    "tests/profiler/test_advice.py::test_gains_are_those_of_the_changed_program_and_values_stay",
    "tests/timing/test_dependences.py::test_compiled_code",
    "tests/timing/test_dependences.py::test_every_consumer_starts_after_its_producers",
    "tests/timing/test_dependences.py::test_no_dependence_without_a_shared_byte",
    "tests/timing/test_mlp_kernels.py",
    "tests/timing/test_trn2_kernels.py::test_kernels_from_source",
    "tests/timing/test_trn2_kernels.py::test_removing_work",
    "tests/tutorials",
)
"""Beginnings of test names as pytest prints them."""


def is_slow(name: str) -> bool:
    """Whether the test with this node id is in the list."""
    return name.startswith(SLOW)
