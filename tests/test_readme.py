"""Every example of the README runs, as it stands there, against the sandbox."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import zra_async
from zra_async.config import Hosts, settings_from_env
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


def functions(marker: str) -> dict[str, Any]:
    """Run a block and return what it defines, with the imports that the README shows once at its top."""
    names: dict[str, Any] = {"__name__": "readme", "asyncio": asyncio, "datetime": datetime, "UTC": UTC}
    names["ZRAClient"] = zra_async.ZRAClient
    exec(compile(block(marker), "README.md", "exec"), names)
    return names


def test_every_block_is_tested() -> None:
    """A new example must get a test here."""
    text = inspect.getsource(sys.modules[__name__])
    for example in BLOCKS:
        names = re.findall(r"async def \w+|pytest_plugins", example)
        assert any(name in text for name in names), example


async def test_first_example(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first example prints a line for each conversation."""
    hosts = Hosts(api=sandbox.api_url, file=sandbox.file_url, token=sandbox.token_url)
    monkeypatch.setattr(zra_async, "ZRAClient", functools.partial(zra_async.ZRAClient, hosts=hosts))
    names: dict[str, Any] = {
        "account_id": sandbox.account_id,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
    }
    text = block("async def main").replace("asyncio.run(main())", "")
    exec(compile(text, "README.md", "exec"), names)
    await names["main"]()
    assert len(capsys.readouterr().out.splitlines()) == 120


async def test_details(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty details at once."""
    async with sandbox.client() as zra:
        await functions("async def details")["details"](zra)
    assert len(capsys.readouterr().out.splitlines()) == 50


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
@pytest.mark.parametrize("marker", ["fastapi_topics", "starlette_topics"])
async def test_asgi_recipes(marker: str) -> None:
    """The FastAPI and Starlette apps (async def lifespan, async def state) serve ten topics."""
    pytest.importorskip(marker.split("_", maxsplit=1)[0])
    assert len(await asgi_get(functions(f"def {marker}")["app"], "/topics")) == 10


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
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


async def test_sandbox_command() -> None:
    """The lines that the sandbox command prints are what ``from_env`` reads."""
    (line,) = re.findall(r"^python -m zra_async\.sandbox .*$", README, re.MULTILINE)
    command = [sys.executable, *shlex.split(line)[1:]]
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
        assert process.wait(20) == 0
    assert len(page.items) == 5
