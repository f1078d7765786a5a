"""The profiler: a Timeline read for people: metrics with their definitions, stalls, source lines, and reporters."""

from nki_sim.profiler.profile import EngineUse, Profile

__all__ = ["EngineUse", "Profile"]
