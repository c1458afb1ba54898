"""Generate the first content of the account from its seed: every value is a function of the seed and an index."""
