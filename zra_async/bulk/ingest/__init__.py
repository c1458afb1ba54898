"""The ingest of recordings: items that become conversations, each exactly once."""
