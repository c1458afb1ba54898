"""What an import costs: whole processes that import the client, what it stands on, or what others stand on.

Every process runs in turn, round after round; a ratio compares two of one round, and its median over the rounds is
held to the target. Bytecode is compiled beforehand, as an installer does it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from benchmarks.report import Options, Report, Row, Target, at_most, progress, spread

NOTHING, OURS, GROUND = "the interpreter alone", "zra_async", "aiohttp + msgspec"
STACKS: Mapping[str, str] = {
    NOTHING: "",
    OURS: "zra_async",
    GROUND: "aiohttp, msgspec",
    "httpx + pydantic": "httpx, pydantic.main",  # `import pydantic` alone puts nearly all of it off
    "boto3": "boto3",
}
BOUND = 1.3

Rounds = list[dict[str, float]]  # the seconds of each process


def main(options: Options) -> Report:
    """Measure every stack that is installed, and hold ours to its ratio."""
    modules = {name: listed for name, listed in STACKS.items() if _installed(listed)}
    with tempfile.TemporaryDirectory() as bytecode:
        measured = measure(modules, Path(bytecode), rounds=3 if options.quick else 21)
    return Report("imports", {"processes that import and end": _rows(measured)}, _targets(measured), _NOTES)


def measure(modules: Mapping[str, str], bytecode: Path, *, rounds: int) -> Rounds:
    """Time a process for each list of modules, in turn; ``bytecode`` is a folder for what is compiled before."""
    for listed in modules.values():
        _seconds(listed, bytecode)
    measured: Rounds = []
    for number in range(rounds):
        progress(f"imports: round {number + 1} of {rounds}")
        measured.append({name: _seconds(listed, bytecode) for name, listed in modules.items()})
    return measured


def _installed(listed: str) -> bool:
    return all(find_spec(name.partition(".")[0]) for name in listed.split(", ") if name)


def _seconds(listed: str, bytecode: Path) -> float:
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    env = os.environ | {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONPATH": path}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    code = f"import {listed}" if listed else "pass"
    subprocess.run([sys.executable, "-c", code], check=True, env=env, cwd=bytecode)
    return time.perf_counter() - began


def _rows(measured: Rounds) -> list[Row]:
    return [
        {
            "import": name,
            "ms": spread(one[name] * 1e3 for one in measured),
            "ms without the interpreter": spread((one[name] - one[NOTHING]) * 1e3 for one in measured),
            "ours is, times": None if name in (OURS, NOTHING) else spread(one[OURS] / one[name] for one in measured),
        }
        for name in measured[0]
    ]


def _targets(measured: Rounds) -> list[Target]:
    return [
        at_most(f"time of a process, times {GROUND}", spread(one[OURS] / one[GROUND] for one in measured).median, BOUND)
    ]


_NOTES = (
    "Medians of the rounds with least and greatest. What the client does not need to be made, such as the resources "
    "of the API, is imported when it is first used, and is not in these numbers.",
)
