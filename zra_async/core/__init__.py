"""How one call travels; knows no resource."""
