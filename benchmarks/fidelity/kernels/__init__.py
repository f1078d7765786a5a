"""Our own kernels of the algorithms and shapes that others measured; see benchmarks/fidelity/data/points.csv."""
