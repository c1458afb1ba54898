"""The sources of an export: how the units of each kind are listed and read."""
