"""Registers and printing."""
