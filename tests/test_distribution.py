"""What is published: a wheel with the package and its types and nothing else, a source archive, and both install."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from zra_async import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
for tool in ("build", "hatchling", "pip"):
    pytest.importorskip(tool, reason=f"{tool} is not installed: the test extra brings it, or the Python itself")


def run(*command: str | Path) -> str:
    """What a command prints, away from the checkout; it fails the test if it fails."""
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    ended = subprocess.run(list(map(str, command)), cwd="/", env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive of this tree and the wheel that was built out of that archive."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(archives: Path) -> Path:
    """The one wheel, for every platform."""
    (found,) = archives.glob("*.whl")
    assert found.name == f"zra_async-{__version__}-py3-none-any.whl"
    return found


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module and the mark that it is typed are there; tests, benchmarks and what lies about are not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {"zra_async", f"zra_async-{__version__}.dist-info"}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zra_async").rglob("*.py")}
    assert {name for name in names if name.startswith("zra_async/")} == {
        *modules,
        "zra_async/py.typed",
        "zra_async/postgres/schema.sql",
    }


def test_the_source_archive_holds_its_tests(archives: Path) -> None:
    """Whoever packages it elsewhere can run its tests and benchmarks; no cache travels along."""
    (found,) = archives.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", "zra_async/py.typed"} <= names
    assert {"tests/conftest.py", "tests/consumer.py", "benchmarks/__main__.py"} <= names
    assert not [name for name in names if "__pycache__" in name or "_cache/" in name or name.endswith(".pyc")]


def test_the_installed_wheel_works(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment, with its dependencies and without the checkout, a user's program and ``zra`` run."""
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    shown = run(python, "-W", "error", ROOT / "tests" / "consumer.py")
    assert Path(shown.strip()) == packages / "zra_async" / "__init__.py"
    pytest.importorskip("click", reason="the command wants the cli extra")
    assert run(python.with_name("zra"), "--version") == f"zra {__version__}\n"
