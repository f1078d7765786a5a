"""Reporters: one Profile, many forms. Each file is one form and reads nothing but the Profile."""
