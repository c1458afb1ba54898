"""Fail on purpose: the faults there are, and what each does to a request or to its answer."""
