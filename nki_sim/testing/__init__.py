"""Testing kit: compare a kernel with its reference, declare example inputs, draw hostile inputs.

`assert_matches` runs a kernel and judges its result against a float64 reference; `tolerance_for` says how close is
close enough; `Example` declares inputs and reference for the command line. The Hypothesis strategies live in
`nki_sim.testing.strategies`, which is not imported here: running a kernel does not need Hypothesis.
"""

from nki_sim.testing.compare import Comparison, MismatchError, assert_matches, compare, verify
from nki_sim.testing.examples import Example, NamedExample, load_examples
from nki_sim.testing.tolerance import Tolerance, default_tolerance, tolerance_for

__all__ = [
    "Comparison",
    "Example",
    "MismatchError",
    "NamedExample",
    "Tolerance",
    "assert_matches",
    "compare",
    "default_tolerance",
    "load_examples",
    "tolerance_for",
    "verify",
]
