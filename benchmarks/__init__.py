"""Benchmarks anyone can run: ``python -m benchmarks NAME [--json] [--quick]``.

Every module of this package, apart from `report`, is a benchmark: a function ``main(options) -> Report``. What several
of them need lives in the packages below this one.
"""
