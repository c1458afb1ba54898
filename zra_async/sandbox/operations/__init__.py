"""Answer the operations of the API, one module per resource."""
