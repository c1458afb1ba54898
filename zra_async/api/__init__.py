"""What can be called: one module per resource, one row per operation."""
