"""The path of one call; knows no resource."""
