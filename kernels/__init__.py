"""A library of tile-level kernels, one idea per file, each with its NumPy reference beside it.

Every file stands alone: it can be read, copied, checked, run and profiled by itself
(`nki-sim profile kernels/softmax.py::softmax`). Its `EXAMPLES` name inputs and reference for each kernel in it.
"""
