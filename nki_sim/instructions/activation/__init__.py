"""Activation functions of the Scalar engine."""
