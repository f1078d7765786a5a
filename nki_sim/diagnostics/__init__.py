"""Findings about kernels: their model, the exceptions that carry them, and how they are shown."""
