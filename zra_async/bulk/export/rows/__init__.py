"""The rows of an export: what one line of each stream holds."""
