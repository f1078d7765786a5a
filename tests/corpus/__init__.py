"""Public kernels, run unmodified: `python -m tests.corpus --sdk DIR --samples DIR`. Nothing of them is kept here."""
