"""What benchmarks are built from: pinned processes, servers, and virtual time."""
