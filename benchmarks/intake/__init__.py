"""The other end of an ingest, and who is measured against it: each a process of its own."""
