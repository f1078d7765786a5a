"""The Tensor engine: matrix multiplication and transposition."""
