"""The rules of the house: which way the arrows point, how long things may be, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "zra_async"
MODULES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(path.relative_to(PACKAGE)) for path in MODULES]

CLIENT = {"client", "session", "namespaces", "api", "core", "config", "errors"}
#: what each part may import of the others; every arrow points down
MAY_IMPORT = {
    "core": {"core", "errors"},
    "api": {"api", "core", "errors"},
    "config": {"core", "errors"},
    "session": {"core", "config", "errors"},
    "namespaces": {"api"},
    "client": {"session", "namespaces", "api", "core", "config", "errors"},
    "files": {"files", *CLIENT},
    "bulk": {"bulk", "files", *CLIENT},
    "cli": {"cli", "bulk", "files", "sandbox", *CLIENT},
    "sandbox": {"sandbox", "api", "errors"},
    "errors": {"errors"},
}
EXTRAS = {"click", "rich", "duckdb", "pyarrow", "uvloop", "pytest", "psutil", "sqlite3"}


def part(path: Path) -> str:
    """The part of the package that a module belongs to: its folder, or its own name."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(tree: ast.Module) -> list[str]:
    """The parts that a module imports when it is imported; imports inside functions are lazy on purpose."""
    found: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("zra_async"):
            names = node.module.split(".")[1:]
            found += [names[0]] if names else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [a.name.split(".")[1] for a in node.names if a.name.startswith("zra_async.")]
    return found


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_arrows_point_one_way(path: Path) -> None:
    """A module imports only what lies below it in the design."""
    allowed = MAY_IMPORT.get(part(path))
    if allowed is None:
        pytest.skip("the package's own surface may import everything")
    assert set(imports(ast.parse(path.read_text("utf-8")))) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_modules_and_functions_stay_short(path: Path) -> None:
    """No module is over 450 lines, no function over 50 without its docstring."""
    text = path.read_text("utf-8")
    assert text.count("\n") <= 450
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = ast.get_docstring(node, clean=False)
            length = (node.end_lineno or 0) - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)
            assert length <= 50, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_what_is_public_says_what_it_does(path: Path) -> None:
    """Every module, public class and public function has a docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes: list[ast.AST] = [tree]
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    for scope in (tree, *classes):
        nodes += [
            n
            for n in scope.body
            if isinstance(n, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not n.name.startswith("_")
        ]
    silent = [getattr(n, "name", "the module") for n in nodes if not ast.get_docstring(n)]  # type: ignore[arg-type]
    assert not silent


def test_importing_the_client_imports_no_extra() -> None:
    """``import zra_async`` pulls in the four dependencies and nothing that an extra brings."""
    code = "import sys, zra_async; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not EXTRAS & set(loaded)


def test_the_sandbox_never_imports_the_core() -> None:
    """The two sides of the wire share no code but the structs of the API."""
    for path in (PACKAGE / "sandbox").rglob("*.py"):
        lazily = [
            node.module
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("zra_async.core")
        ]
        assert not lazily, path.name
