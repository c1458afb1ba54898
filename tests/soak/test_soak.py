"""An hour of an account's time, with every job at once and every fault on; and that the soak would notice."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import aiohttp
import pytest

from benchmarks import soak
from benchmarks.endurance.audit import Findings
from benchmarks.endurance.vitals import Vitals, at_rest, complaints, growth
from benchmarks.report import Options

pytestmark = pytest.mark.slow


def test_an_hour_of_abuse() -> None:
    """Nothing is lost or doubled, no limit is crossed, and nothing is left behind, whatever goes wrong.

    The long form is ``python -m benchmarks soak``.
    """
    report = soak.main(Options(quick=True))
    assert report.met, report.as_text()


async def _forgets_to_wait() -> None:
    asyncio.sleep(0)  # type: ignore[unused-coroutine]


async def _leaves_a_session() -> None:
    aiohttp.ClientSession()


async def _loses_an_error() -> None:
    async def fail() -> None:
        raise ValueError("lost")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])


async def _forgets_a_socket() -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("neglect", "complaint"),
    [
        (_forgets_to_wait, "was never awaited"),
        (_leaves_a_session, "Unclosed client session"),
        (_loses_an_error, "exception was never retrieved"),
        (_forgets_a_socket, "unclosed"),
    ],
)
def test_neglect_is_heard(neglect: Any, complaint: str) -> None:
    """A coroutine without await, an open session or socket, and an error that nobody sees are all complained about."""
    with warnings.catch_warnings(), complaints() as heard:
        asyncio.run(neglect())
    assert any(complaint in text for text in heard), heard


def test_silence_is_not_a_complaint() -> None:
    """Code that cleans up after itself is not complained about."""
    with complaints() as heard:
        asyncio.run(asyncio.sleep(0))
    assert not heard


async def test_what_is_left_is_seen() -> None:
    """A task and a file that outlive the work show in the vitals."""
    before = await at_rest()
    task = asyncio.create_task(asyncio.sleep(60))
    reader, writer = await _connected()
    after = await at_rest()
    task.cancel()
    writer.close()
    del reader
    assert after.tasks > before.tasks
    assert after.handles > before.handles
    assert after.connections > before.connections


async def _connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = await asyncio.open_connection("127.0.0.1", port)
    server.close()
    return connection


def test_growth_is_between_the_middle_and_the_end() -> None:
    """Memory that settles is no growth; memory that keeps rising is."""

    def looks(*memory: int) -> list[Vitals]:
        return [Vitals(m, m, 0, 0, 0) for m in memory]

    assert growth(looks(1, 5, 9, 10, 10, 10, 10, 10, 10), lambda v: v.memory) == 0
    assert growth(looks(1, 2, 3, 4, 5, 6, 7, 8, 9), lambda v: v.memory) == 3
    assert growth([], lambda v: v.memory) == 0
    # what comes and goes is no growth where the least counts
    assert growth(looks(0, 0, 0, 3, 5, 9, 9, 3, 8), lambda v: v.blocks, min) == 0
    assert growth(looks(0, 0, 0, 3, 5, 9, 9, 4, 8), lambda v: v.blocks, min) == 1


def test_the_audit_finds_what_is_wrong() -> None:
    """A missing record is lost, a second one is doubled, and one that was refused must not be there."""
    findings = Findings()
    findings.compare("things", ["a", "b"], ["b", "b", "c"])
    findings.absent("things", ["c"], ["b", "c"])
    assert findings.lost == ["things: a"]
    assert findings.doubled == ["things: b, 2 times", "things: c should not be there"]
    assert findings.checked == 2
