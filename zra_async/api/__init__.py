"""The operations of the API: one module or package per resource, one row per operation."""
