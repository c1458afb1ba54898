"""The parts of the benchmark ``truth``: a run in a process of its own, and the comparison of a copy with the truth."""
