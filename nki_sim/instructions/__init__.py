"""The instruction set, one folder per family; what an instruction accepts and costs is written in its `.isa` file."""
