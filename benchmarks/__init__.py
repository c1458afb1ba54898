"""Benchmarks anyone can run: ``python -m benchmarks NAME [--json] [--quick]``, or ``all --out FOLDER``.

Every module of this package, apart from `report`, is a benchmark: a function ``main(options) -> Report``. What several
of them need lives in the packages below this one; how long each may take is in `suite.run`. The peers are pinned by
``pip install -e '.[bench]'``.
"""
