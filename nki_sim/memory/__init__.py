"""On-chip memory: which bytes an instruction touches, how long a tensor lives, where it is placed."""

from nki_sim.memory.allocate import Allocation, Peak, allocate

__all__ = ["Allocation", "Peak", "allocate"]
