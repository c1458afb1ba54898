"""Every example of the README runs, as it stands there, against the sandbox, and what it names exists."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shlex
import subprocess
import sys
import types
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import zra_async
from benchmarks.__main__ import ALL, names
from zra_async import Label, Rate, errors
from zra_async.cli.exits import MEANINGS
from zra_async.config import settings_from_env
from zra_async.core.limits import PLANS
from zra_async.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """An account with enough in it for every example."""
    async with Sandbox(conversations=120, plan="business", seed=7) as account:
        yield account


def block(marker: str) -> str:
    """The one Python block of the README that holds ``marker``."""
    (found,) = [text for text in BLOCKS if marker in text]
    return found


def functions(marker: str, *before: str) -> dict[str, Any]:
    """Run a block, and those ``before`` it, with the imports that the README shows once; return what they define."""
    module = sys.modules["readme"] = types.ModuleType("readme")  # where Litestar looks up annotations
    names = vars(module)
    names |= {"asyncio": asyncio, "datetime": datetime, "UTC": UTC, "ZRAClient": zra_async.ZRAClient}
    for one in [*before, marker]:
        exec(compile(block(one), "README.md", "exec"), names)
    return names


def test_every_block_is_tested() -> None:
    """A new example must get a test here."""
    text = inspect.getsource(sys.modules[__name__])
    for example in BLOCKS:
        names = re.findall(r"async def \w+|pytest_plugins", example)
        assert any(name in text for name in names), example


def test_first_example(tmp_path: Path) -> None:
    """The first example (async def main) prints a line for each conversation, run by the command that stands there."""
    (tmp_path / "first.py").write_text(block("async def main"))
    (line,) = re.findall(r"`zra (sandbox -- python first\.py)`", README)
    command = [sys.executable, "-m", "zra_async.cli", *line.replace("python", shlex.quote(sys.executable)).split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert len(re.findall(r"^\d{4}-\d\d-\d\d ", done.stdout, re.MULTILINE)) == 500


async def test_upload(sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An upload with a journal becomes a conversation."""
    path = tmp_path / "call.mp4"
    path.write_bytes(os.urandom(300_000))
    async with sandbox.client() as zra:
        await functions("async def upload")["upload"](zra, str(path))
    assert "100%" in capsys.readouterr().out


async def test_export(sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An account is exported (async def export)."""
    async with sandbox.client() as zra:
        await functions("async def export")["export"](zra, str(tmp_path / "account"))
    assert "complete" in capsys.readouterr().out
    assert (tmp_path / "account" / "manifest.json").exists()


async def test_crm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Three thousand accounts are imported (async def crm), none of which fails."""
    monkeypatch.chdir(tmp_path)
    stages = [{"stage_name": name, "stage_type": name} for name in ("OPEN", "CLOSED_WON", "CLOSED_LOST")]
    async with Sandbox(conversations=10, plan="business", task_seconds=0.05) as account, account.client() as zra:
        await zra.crm.register("readme", deal_stages=stages)
        await functions("async def crm")["crm"](zra)
        assert account.account.crm.count("accounts") == 3_000
    assert not capsys.readouterr().out


async def test_lists(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """A list is broken off and goes on from its cursor."""
    async with sandbox.client() as zra:
        await functions("async def lists")["lists"](zra)
    assert capsys.readouterr().out


@pytest.fixture
async def environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``from_env`` reads points to the sandbox."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)


async def asgi_get(app: Any, path: str) -> Any:
    """Start an ASGI app, get ``path`` from it, and stop it again, all in the present event loop."""
    import anyio
    import httpx

    state: dict[str, Any] = {}
    to_app, from_test = anyio.create_memory_object_stream[dict[str, str]](2)
    to_test, from_app = anyio.create_memory_object_stream[dict[str, str]](2)
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}

    async def with_state(given: dict[str, Any], receive: Any, send: Any) -> None:
        await app({**given, "state": dict(state)}, receive, send)

    async with to_app, from_test, to_test, from_app, anyio.create_task_group() as tasks:
        tasks.start_soon(app, scope, from_test.receive, to_test.send)
        await to_app.send({"type": "lifespan.startup"})
        assert (await from_app.receive())["type"] == "lifespan.startup.complete"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://app") as browser:
            answer = await browser.get(path)
        await to_app.send({"type": "lifespan.shutdown"})
        assert (await from_app.receive())["type"] == "lifespan.shutdown.complete"
    return answer.json()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("marker", ["async def fastapi_calls", "async def starlette_calls", "async def litestar_calls"])
async def test_asgi_recipes(marker: str) -> None:
    """The FastAPI, Starlette and Litestar apps (async def lifespan) serve ten conversations, each the same way."""
    pytest.importorskip(marker.split()[-1].split("_", maxsplit=1)[0])
    found = await asgi_get(functions(marker, "async def lifespan")["app"], "/calls")
    assert len(found) == 10
    async with zra_async.ZRAClient.from_env() as zra:
        page = await zra.conversations.list(page_size=10)
    assert found == page.to_dict()["items"]


@pytest.mark.usefixtures("environment")
async def test_aiohttp_recipe() -> None:
    """The aiohttp.web app (async def zra_context, async def aiohttp_topics) serves ten topics."""
    from aiohttp.test_utils import TestClient, TestServer

    async with TestClient(TestServer(functions("def aiohttp_topics")["app"])) as browser:
        answer = await browser.get("/topics")
        assert len(await answer.json()) == 10


async def test_offline(capsys: pytest.CaptureFixture[str]) -> None:
    """The account in the own process."""
    await functions("async def offline")["offline"]()
    assert capsys.readouterr().out.count("\n") == 2


def test_own_suite(tmp_path: Path) -> None:
    """The two files of "Test your own code" pass as a suite of their own (pytest_plugins, test_newest_topic)."""
    (tmp_path / "conftest.py").write_text(block("pytest_plugins"))
    (tmp_path / "test_mine.py").write_text(block("async def test_newest_topic"))
    (tmp_path / "my_app.py").write_text("from zra_async import ZRAClient\n" + block("async def fastapi_calls"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


async def test_sandbox_command() -> None:
    """The lines that the sandbox command prints are what ``from_env`` reads."""
    (line,) = re.findall(r"`(python -m zra_async\.sandbox .*?)`", README)
    command = [sys.executable, *shlex.split(line)[1:], "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        variables: dict[str, str] = {}
        while len(variables) < 7:
            word, _, pair = process.stdout.readline().strip().partition(" ")
            assert word == "export"
            name, _, value = pair.partition("=")
            variables[name] = "".join(shlex.split(value))
        auth, hosts, plan, share = settings_from_env(variables)
        async with zra_async.ZRAClient(auth, hosts=hosts, plan=plan, share=share) as zra:
            page = await zra.conversations.list(page_size=5)
        process.terminate()
        assert process.wait(500) == 0
    assert len(page.items) == 5


async def test_the_conversation_of_the_shell() -> None:
    """The conversation that ``zra get`` asks for is in the account that ``--sandbox`` serves."""
    (conversation_id,) = re.findall(r"^zra get conversation '(.+?)'", README, re.MULTILINE)
    async with Sandbox(conversations=200) as account, account.client() as zra:
        assert (await zra.conversations.get(conversation_id)).conversation_id == conversation_id


def rows(title: str) -> list[list[str]]:
    """The rows of the table whose head begins with ``title``, each as its cells."""
    (table,) = re.findall(rf"^\| {re.escape(title)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def rate(limit: Rate) -> str:
    """A limit as the README writes it."""
    each = f"{limit.count}/{ {1.0: 's', 60.0: 'min'}[limit.period] }"
    return each if limit.per_day is None else f"{each}, {limit.per_day:,}/day"


def test_limits_are_those_of_the_plans() -> None:
    """The table of limits has every plan and label, with the numbers that the client keeps to."""
    assert re.findall(r"^\| plan \| (.+) \|$", README, re.MULTILINE) == [" | ".join(Label)]
    expected = {plan: [rate(limits[label]) for label in Label] for plan, limits in PLANS.items()}
    assert {row[0].split("`")[1]: row[1:] for row in rows("plan")} == expected


def test_exit_codes_are_those_of_the_commands() -> None:
    """The table of exit codes says what ``zra --help`` says."""
    assert {int(code): text.replace("`", "") for code, text in rows("exit code")} == dict(MEANINGS)


def test_errors_exist() -> None:
    """Every exception in the table is one of the library."""
    named = [name for row in rows("you catch") for name in re.findall(r"`(\w+)`", row[0])]
    assert len(named) > 15
    for name in named:
        assert issubclass(getattr(errors, name), errors.ZRAError)


def functions_in(path: str) -> set[str]:
    """The names of the functions in a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_promise_is_shown() -> None:
    """Each promise names tests that exist, by file and function, or a benchmark."""
    promises = rows("promise")
    assert len(promises) > 15
    for promise, shown in promises:
        assert re.fullmatch(r"`(tests/[\w/]+\.py::test_\w+|benchmarks \w+)`(, `[^`]+`)*", shown), promise
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)", README):
        assert name in functions_in(path), f"{path}::{name}"
    for path in re.findall(r"\btests/[\w/]+\.py\b", README):
        assert (ROOT / path).is_file(), path


def test_every_benchmark_exists() -> None:
    """Benchmarks, and the pictures of their results, are called by names that there are."""
    named = set(
        re.findall(r"`benchmarks (\w+)`|-m benchmarks ([a-z]\w*)|^\| `(\w+)`: |results/(\w+)\.svg", README, re.M)
    )
    assert {name for found in named for name in found if name} - {ALL} <= set(names())
    assert {found[2] for found in named if found[2]} >= {"upload", "download", "calls", "limits"}


def test_it_stays_short() -> None:
    """Nobody reads more than 400 lines."""
    assert len(README.splitlines()) < 400
