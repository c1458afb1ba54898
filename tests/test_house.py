"""The rules of the house: which way the arrows point, how long things may be, and what an import costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import zra_async
from zra_async import errors
from zra_async.core import events

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "zra_async"
MODULES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(path.relative_to(PACKAGE)) for path in MODULES]
#: whatever somebody has to read, be it shipped or not
WRITTEN = sorted(path for folder in ("zra_async", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))

CLIENT = {"client", "caller", "session", "api", "core", "osfiles", "config", "errors", "results"}
BELOW_FILES = CLIENT - {"client", "caller"}
#: what each part may import of the others, anywhere in a module; every arrow points down
MAY_IMPORT = {
    "osfiles": {"osfiles", "errors"},
    "core": {"core", "osfiles", "errors", "results"},
    "api": {"api", "core", "errors", "results"},
    "config": {"core", "errors"},
    "session": {"core", "config", "errors"},
    "caller": {"session", "api", "core", "config", "errors"},
    "client": {"bulk", "files", "postgres", *CLIENT},
    "accounts": {"client", "core", "errors"},
    "files": {"files", *BELOW_FILES},
    "bulk": {"bulk", "files", *BELOW_FILES},
    "cli": {"cli", "bulk", "files", "postgres", "sandbox", *CLIENT},
    "postgres": {"postgres", "core", "osfiles", "errors"},
    "sandbox": {"sandbox", "api", "errors"},
    "webhooks": {"webhooks", "api", "core", "errors"},
    "errors": {"errors", "results"},
    "results": {"results"},
}
#: parts that a module needs for one thing that it does for others
ALSO = {"sandbox/server.py": {"client", "config", "ZRAClient", "Hosts", "ServerToServer"}}  # `Sandbox.client`
#: the modules that put the others together
ROOTS = {PACKAGE / "client.py", PACKAGE / "testing.py"}
#: what extras bring, and what only a part of the package needs
EXTRAS = {
    "click",
    "rich",
    "duckdb",
    "psycopg",
    "pyarrow",
    "uvloop",
    "pytest",
    "psutil",
    "sqlite3",
    "anyio",
    "aiohttp.web",
}
QUESTION = re.compile(r"(What|Whether|How|Where|When|Which|Who)\b")
Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def part(path: Path) -> str:
    """The part of the package that a module belongs to: its folder, or its own name."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> Iterator[str]:
    """All names of this package that a module imports: those inside functions and for type checkers count as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "zra_async":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("zra_async."))


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_arrows_point_one_way(path: Path) -> None:
    """A module imports only what lies below it in the design."""
    allowed = MAY_IMPORT.get(part(path))
    if allowed is None:
        pytest.skip("the package's own surface may import everything")
    also = ALSO.get(path.relative_to(PACKAGE).as_posix(), set())
    names = {name.split(".")[1] for name in imported(ast.parse(path.read_text("utf-8")))}
    assert names - {"__version__"} <= allowed | also


def test_no_imports_go_in_a_circle() -> None:
    """Every module can be understood without those that import it; only the roots know everything."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}
    below = {name for name, path in names.items() if path.name != "__init__.py" and path not in ROOTS}
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        found = set(imported(ast.parse(path.read_text("utf-8"))))
        graph[name] = (found | {full.rpartition(".")[0] for full in found}) & below - {name}
    TopologicalSorter(graph).prepare()  # raises CycleError, which shows the circle


def test_a_name_means_one_thing() -> None:
    """No two public classes of the package have the same name; the sandbox is another world."""
    places: dict[str, set[str]] = {}
    for path in MODULES:
        if part(path) != "sandbox":
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, set()).add(path.relative_to(PACKAGE).as_posix())
    assert {name for name, where in places.items() if len(where) > 1} == set()


def test_no_folder_is_crowded() -> None:
    """No folder has more than about twenty modules side by side."""
    crowd = Counter(path.parent.relative_to(PACKAGE).as_posix() for path in MODULES)
    assert {folder for folder, modules in crowd.items() if modules > 21} == set()


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_short(path: Path) -> None:
    """No module is over 450 lines, no function over 50 without its docstring, tests and benchmarks included."""
    text = path.read_text("utf-8")
    assert text.count("\n") <= 450
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = ast.get_docstring(node, clean=False)
            length = (node.end_lineno or 0) - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)
            assert length <= 50, f"{node.name} has {length} lines"


def public(scope: ast.AST) -> Iterator[Named]:
    """The public functions, methods and classes in a scope, also those in classes, private ones too, and in branches.

    What a function defines inside itself is nobody else's.
    """
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, Named) and not node.name.startswith("_"):
            yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from public(node)


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_what_is_public_says_what_it_does(path: Path) -> None:
    """Every module has a docstring, and so has all that is public in it, at any depth outside of functions."""
    tree = ast.parse(path.read_text("utf-8"))
    silent = [node.name for node in public(tree) if not ast.get_docstring(node)]
    assert ast.get_docstring(tree)
    assert not silent


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_no_docstring_begins_with_a_question(path: Path) -> None:
    """A docstring says what to expect in its first word: a verb or a noun, and no question word."""
    asked: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.Module, Named)) and QUESTION.match(text := ast.get_docstring(node) or ""):
            asked.append(text.splitlines()[0])
    assert not asked


def loaded_by(code: str) -> set[str]:
    """The modules that a new process has after running ``code``."""
    code = f"import sys; {code}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_client_imports_no_extra() -> None:
    """``import zra_async`` pulls in what aiohttp and msgspec do, and nothing that an extra brings or few need."""
    loaded = loaded_by("import zra_async")
    assert not EXTRAS & loaded
    ours = {name.split(".")[1] for name in loaded if name.startswith("zra_async.")}
    assert ours == CLIENT - {"api"}
    foreign = loaded - loaded_by("import aiohttp, msgspec") - set(sys.stdlib_module_names)
    assert {name.partition(".")[0] for name in foreign} == {"zra_async"}


def test_a_resource_costs_no_more_than_itself() -> None:
    """The first use of a resource imports that one, and neither the others nor the bulk jobs."""
    loaded = loaded_by("import zra_async; zra_async.ZRAClient(zra_async.StaticToken('a')).deals")
    assert "zra_async.api.deals.operations" in loaded
    assert not {"zra_async.api.teams", "zra_async.api.crm", "zra_async.api.registry", "zra_async.bulk"} & loaded


def test_every_public_name_is_there() -> None:
    """All names of ``__all__`` can be imported, those that are made on demand too; others are no attributes."""
    assert all(getattr(zra_async, name) is not None for name in zra_async.__all__)
    assert "OPERATIONS" in zra_async.__all__
    assert not hasattr(zra_async, "NOTHING_OF_THAT_NAME")


def test_what_annotations_name_is_at_the_top() -> None:
    """Each error and each event can be imported from the package itself."""
    for module in (errors, events):
        defined = {
            n for n, kind in vars(module).items() if isinstance(kind, type) and kind.__module__ == module.__name__
        }
        assert defined <= set(zra_async.__all__)


def test_the_sandbox_never_imports_the_core() -> None:
    """The two sides of the wire share no code but the structs of the API."""
    for path in (PACKAGE / "sandbox").rglob("*.py"):
        lazily = [
            node.module
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("zra_async.core")
        ]
        assert not lazily, path.name


#: what leaves a cancellation count on its task on CPython 3.11 and 3.12, or is built on what does
COUNTING = {"TaskGroup", "timeout", "timeout_at", "wait_for"}


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_structured_concurrency_is_anyios(path: Path) -> None:
    """No module uses asyncio's own task groups and timeouts."""
    used: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "asyncio":
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "asyncio":
            used |= {alias.name for alias in node.names}
    assert not used & COUNTING
