"""Look up known vulnerabilities of the packages in a virtual environment: ``audit.py .venv``.

The exit code is 1 when one of them has any. Where the service that knows them cannot be asked, that is said and is no
failure: a check that nobody could make must not look like one that was passed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

#: what every environment has, and no user of the package gets from us
_TOOLS = {"pip", "setuptools", "wheel"}


def main(environment: str) -> int:
    """Ask, and tell what came back."""
    [packages] = Path(environment).glob("lib/python*/site-packages")
    command = ["-m", "pip_audit", "--path", str(packages), "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        reason = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        print(f"SKIPPED, nothing was looked up: {reason}")
        return 0
    found = [package for package in found if package["name"] not in _TOOLS]
    known = [package for package in found if "vulns" in package]
    if not known:
        print(f"SKIPPED, nothing was looked up: the service knows none of the {len(found)} packages")
        return 0
    bad = [package for package in known if package["vulns"]]
    for package in bad:
        for problem in package["vulns"]:
            remedy = ", ".join(problem["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {problem['id']}, mended in {remedy}")
    print(f"{len(known)} of {len(found)} packages were looked up, {len(bad)} have known vulnerabilities")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
