"""The fixtures for users' suites, run as their users run them: by a pytest of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

import zra_async
from zra_async.sandbox import SandboxThread

pytest_plugins = ["pytester"]

SUITE = '''
import base64
import socket
import urllib.request

import aiohttp
import pytest

from zra_async.testing import Fault, OutsideConnection


async def call(sandbox, path="/zra/deals"):
    """A plain call with a new token."""
    basic = base64.b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()
    form = {"grant_type": "account_credentials", "account_id": sandbox.account_id}
    async with aiohttp.ClientSession() as session:
        async with session.post(sandbox.token_url, data=form, headers={"Authorization": f"Basic {basic}"}) as response:
            token = (await response.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.get(sandbox.api_url + path, headers=headers) as response:
            return response.status, await response.json()
'''


INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
addopts = --strict-markers -p no:cacheprovider -p pytest_asyncio.plugin
"""


def run(pytester: pytest.Pytester, tests: str, *, conftest: str = "", outcome: dict[str, int]) -> None:
    """Write a suite that uses the plugin, run it in a process of its own, and check its outcome."""
    pytester.makeini(INI)
    pytester.makeconftest('pytest_plugins = ["zra_async.testing"]\n' + conftest)
    pytester.makepyfile(SUITE + tests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTHONPATH", str(Path(zra_async.__file__).parents[1]))
        pytester.runpytest_subprocess().assert_outcomes(**outcome)


def test_a_test_gets_a_fresh_sandbox_with_faults_and_clock(pytester: pytest.Pytester) -> None:
    """Faults and a moved clock of one test are gone in the next, and belong to the sandbox that is called."""
    run(
        pytester,
        """
@pytest.mark.parametrize("again", [1, 2])
async def test_fresh(zra_sandbox, zra_faults, zra_clock, again):
    assert not zra_faults
    assert (await call(zra_sandbox))[0] == 200
    zra_faults.add(Fault(operation="GET /deals", status=503))
    assert (await call(zra_sandbox))[0] == 503
    before = zra_clock.time()
    zra_clock.advance(3600)
    assert zra_sandbox.clock.time() - before >= 3600
""",
        outcome={"passed": 2},
    )


def test_options_come_from_the_fixture_and_from_marks(pytester: pytest.Pytester) -> None:
    """A mark wins over the overridden fixture, a closer mark over a farther one, and the rest stays."""
    run(
        pytester,
        """
pytestmark = pytest.mark.zra_sandbox(conversations=20, latency=0.001)

@pytest.fixture
def zra_sandbox_options():
    return {"seed": 11, "conversations": 10}

@pytest.mark.zra_sandbox(conversations=30, plan="free")
async def test_options(zra_sandbox):
    options = zra_sandbox.options
    assert (options.seed, options.conversations, options.plan, options.latency) == (11, 30, "free", 0.001)
""",
        outcome={"passed": 1},
    )


def test_the_client_is_open_and_talks_to_the_sandbox(pytester: pytest.Pytester) -> None:
    """The client fixture can be called at once, and the sandbox counts its calls."""
    run(
        pytester,
        """
@pytest.mark.zra_sandbox(plan="free")
async def test_client(zra_client, zra_sandbox):
    indicators = await zra_client.indicators.list()
    assert zra_sandbox.stats.operations["GET /zra/settings/indicators"] == 1
    assert "free" in repr(zra_client)
""",
        outcome={"passed": 1},
    )


def test_nothing_but_loopback_can_be_reached(pytester: pytest.Pytester) -> None:
    """Names and addresses outside are refused by name, for aiohttp, plain sockets and urllib, only while guarded."""
    run(
        pytester,
        """
@pytest.mark.parametrize("url", ["https://api.zoom.us/v2", "http://192.0.2.1:9/", "http://[2001:db8::1]:9/"])
async def test_aiohttp(zra_sandbox, url):
    async with aiohttp.ClientSession() as session:
        with pytest.raises(OutsideConnection, match="may not reach"):
            await session.get(url)

def test_sockets(zra_loopback_only):
    with socket.socket() as outside, pytest.raises(OutsideConnection):
        outside.connect(("192.0.2.1", 9))
    with socket.socket() as outside, pytest.raises(OutsideConnection):
        outside.connect_ex(("192.0.2.1", 9))
    with pytest.raises(OutsideConnection):
        urllib.request.urlopen("http://example.com/")

def test_loopback_stays_open(zra_loopback_only):
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
    assert socket.getaddrinfo("localhost", 80)

def test_the_guard_ends():
    assert socket.getaddrinfo.__name__ == "getaddrinfo"
    assert socket.socket.connect.__name__ == "connect"
""",
        outcome={"passed": 6},
    )


def test_a_client_of_the_test_is_refused_clearly(pytester: pytest.Pytester) -> None:
    """A client that was pointed at the real service fails with the guard's own error, not with a retry."""
    run(
        pytester,
        """
from zra_async import ServerToServer, ZRAClient

async def test_real_service(zra_sandbox):
    async with ZRAClient(ServerToServer("a", "b", "c")) as client:
        with pytest.raises(OutsideConnection, match="zoom.us"):
            await client.indicators.list()
""",
        outcome={"passed": 1},
    )


@pytest.mark.parametrize("scope", ["module", "session"])
def test_a_client_for_many_tests(pytester: pytest.Pytester, scope: str) -> None:
    """Tests of a scope share account and client in its event loop; in another loop the client says so at once."""
    run(
        pytester,
        f"""
import asyncio
from zra_async import errors
shared = pytest.mark.asyncio(loop_scope="{scope}")

@shared
async def test_first(zra_{scope}_client, zra_{scope}_sandbox):
    assert len((await zra_{scope}_client.conversations.list()).items) == 7
    zra_{scope}_sandbox.seen = asyncio.get_running_loop()

@shared
async def test_second(zra_{scope}_client, zra_{scope}_sandbox):
    assert zra_{scope}_sandbox.seen is asyncio.get_running_loop()
    assert zra_{scope}_sandbox.stats.operations["GET /zra/conversations"] == 1
    await zra_{scope}_client.conversations.list()
    with pytest.raises(OutsideConnection):
        socket.getaddrinfo("zoom.us", 443)

async def test_another_loop(zra_{scope}_client):
    with pytest.raises(errors.WrongLoop, match="same loop scope"):
        await zra_{scope}_client.conversations.list()

def test_without_a_loop(zra_{scope}_sandbox):
    async def once():
        async with zra_{scope}_sandbox.client() as zra:
            return await zra.conversations.list()
    assert asyncio.run(once()).items
""",
        conftest=f"""
import pytest
@pytest.fixture(scope="{scope}")
def zra_{scope}_sandbox_options():
    return {{"conversations": 7}}
""",
        outcome={"passed": 4},
    )


def test_a_sandbox_for_synchronous_tests(pytester: pytest.Pytester) -> None:
    """Plain code without an event loop reaches it, with faults, clock and marks, and each test has its own."""
    run(
        pytester,
        """
import asyncio

def ask(sandbox, path):
    request = urllib.request.Request(sandbox.api_url + path)
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code

@pytest.mark.parametrize("again", [1, 2])
@pytest.mark.zra_sandbox(conversations=30)
def test_sync(zra_sync_sandbox, again):
    assert ask(zra_sync_sandbox, "/zra/deals") == 401
    zra_sync_sandbox.faults.add(Fault(operation="GET /deals", status=503))
    assert asyncio.run(call(zra_sync_sandbox))[0] == 503
    assert zra_sync_sandbox.options.conversations == 30
    before = zra_sync_sandbox.clock.time()
    zra_sync_sandbox.clock.advance(3600)
    assert zra_sync_sandbox.clock.time() - before >= 3600
""",
        outcome={"passed": 2},
    )


def test_a_sandbox_thread_that_cannot_start() -> None:
    """The error of its options is raised where it was to begin."""
    with pytest.raises((TypeError, ValueError)), SandboxThread(plan="gold"):
        pass
