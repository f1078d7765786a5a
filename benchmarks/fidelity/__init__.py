"""Fidelity: published hardware measurements beside what the timing model says; `python -m benchmarks.fidelity`."""
