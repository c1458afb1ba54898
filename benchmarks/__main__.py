"""``python -m benchmarks NAME [--json] [--quick]``: run one benchmark and hold it to its targets.

``python -m benchmarks all --out FOLDER [--quick]`` runs every one of them, each in a process of its own, and writes
``NAME.json`` and ``NAME.svg`` for each, ``all.json`` and ``REPORT.md``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import benchmarks
from benchmarks.report import Options, Report

ALL = "all"
_NOT_BENCHMARKS = {"__main__", "report"}


def names() -> list[str]:
    """The benchmarks there are."""
    modules = pkgutil.iter_modules(benchmarks.__path__)
    return sorted(m.name for m in modules if not m.ispkg and m.name not in _NOT_BENCHMARKS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmark, or all; 0 = every target met, 1 = one missed or none to show, 2 = no such benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", help=f"all, or one of: {', '.join(names())}")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds, whose numbers mean little")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where `all` writes to")
    chosen = parser.parse_args(arguments)
    # contenders in processes of their own start from bytecode, as what is installed does, and compile nothing meanwhile
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if chosen.name == ALL:
        return _run_all(parser, chosen)
    if chosen.name not in names():
        print(f"no benchmark is called {chosen.name!r}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    report: Report = importlib.import_module(f"benchmarks.{chosen.name}").main(Options(quick=chosen.quick))
    print(report.as_json() if chosen.json else report.as_text())
    return 0 if report.met else 1


def _run_all(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> int:
    from benchmarks.suite.run import run_all  # one benchmark needs none of it

    if chosen.out is None or chosen.json:
        parser.error("all needs --out FOLDER, and writes its JSON there")
    return run_all(names(), Options(quick=chosen.quick), chosen.out)


if __name__ == "__main__":
    sys.exit(main())
