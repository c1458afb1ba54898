"""``python -m zra_async.sandbox`` as a process: what it prints, that it serves, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from zra_async.sandbox import Sandbox
from zra_async.sandbox.__main__ import main, parser
from zra_async.sandbox.command_options import COMMAND_OPTIONS

COMMAND = [sys.executable, "-m", "zra_async.sandbox"]


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    """Run the command and read its exports."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        environment: dict[str, str] = {}
        async with asyncio.timeout(300):
            while "ZRA_FILE_URL" not in environment:
                line = (await process.stdout.readline()).decode()
                assert line.startswith("export "), line
                name, _, value = shlex.split(line)[1].partition("=")
                environment[name] = value
        yield process, environment
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_it_prints_its_environment_serves_and_stops(signum: signal.Signals) -> None:
    """The exported lines lead to a working account, and a signal ends it with status 0 and no complaint."""
    async with serving("--conversations", "3", "--plan", "pro", "--seed", "11", "--control") as (process, environment):
        assert environment["ZRA_PLAN"] == "pro"
        form = {"grant_type": "account_credentials", "account_id": environment["ZOOM_ACCOUNT_ID"]}
        credentials = f"{environment['ZOOM_CLIENT_ID']}:{environment['ZOOM_CLIENT_SECRET']}".encode()
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
            async with session.post(environment["ZRA_TOKEN_URL"], data=form, headers=headers) as response:
                token = (await response.json())["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(environment["ZRA_API_URL"] + "/zra/conversations", headers=headers) as response:
                assert response.status == 200
                assert len((await response.json())["conversations"]) == 3
            control = environment["ZRA_API_URL"].removesuffix("/v2") + "/_sandbox/stats"
            async with session.get(control) as response:
                assert (await response.json())["operations"] == {"token": 1, "GET /zra/conversations": 1}
        process.send_signal(signum)
        async with asyncio.timeout(300):
            _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


def test_the_defaults_are_those_of_the_options() -> None:
    """Without arguments the command serves what ``Sandbox()`` serves."""
    arguments = parser().parse_args([])
    assert (arguments.port, arguments.conversations, arguments.plan, arguments.seed) == (0, 500, "business", 7)
    assert (arguments.latency, arguments.jitter, arguments.awkward, arguments.control) == (0.0, 0.0, 0.03, False)


@pytest.mark.parametrize(
    "arguments",
    [["--plan", "gold"], ["--latency", "-1"], ["--webhook-url", "http://example.com/"], ["--faults", "no such file"]],
)
def test_mistakes_are_told_and_nothing_is_served(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A bad argument is a usage error with status 2, without a traceback."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error:" in captured.err


async def test_a_fault_file_is_armed(tmp_path: Path) -> None:
    """Faults of a TOML file strike from the first request on."""
    file = tmp_path / "faults.toml"
    file.write_text('[[fault]]\noperation = "token"\nstatus = 503\n')
    async with serving("--faults", str(file)) as (_, environment), aiohttp.ClientSession() as session:
        response = await session.post(environment["ZRA_TOKEN_URL"])
        assert response.status == 503


def test_a_receiver_finds_the_secret_of_its_webhooks() -> None:
    """The environment holds the secret that signs events where events are sent, and no such variable elsewhere."""
    name = "ZOOM_WEBHOOK_SECRET_TOKEN"
    told = Sandbox(conversations=1, webhook_url="http://127.0.0.1:1/", webhook_secret="mine").environment()
    made_up = Sandbox(conversations=1, webhook_url="http://127.0.0.1:1/")
    assert (told[name], made_up.environment()[name]) == ("mine", made_up.webhook_secret)
    assert name not in Sandbox(conversations=1).environment()


def test_both_commands_have_the_same_options() -> None:
    """``python -m zra_async.sandbox`` and ``zra sandbox`` take the same options of an account, with the same help."""
    from zra_async.cli.commands.sandbox import command

    plain = {text: action.help for action in parser()._actions for text in action.option_strings}
    rich = {text: getattr(option, "help", None) for option in command.params for text in option.opts}
    shared = {f"--{option.name}" for option in COMMAND_OPTIONS}
    assert {text: plain[text] for text in shared} == {text: rich[text] for text in shared}
