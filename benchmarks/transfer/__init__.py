"""The other end of a transfer, and who is measured against it: each a process of its own, pinned to a core."""
