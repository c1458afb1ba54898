"""``python -m benchmarks all``: every benchmark in a process of its own, one summary and one chart for each."""
