"""Snapshots: an account goes back to a former state, and to the one with which it opened."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from zra_async.sandbox import Clock, Sandbox

START = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


def state(sandbox: Sandbox) -> list[Any]:
    truth = sandbox.truth
    rows = list(truth.conversations())
    names = [row["conversation_id"] for row in rows]
    return [rows, list(truth.deals()), [list(truth.comments(name)) for name in names]]


def test_a_restored_account_is_as_it_was() -> None:
    """What happened after a snapshot is undone, as often as it is restored, and life goes on from there."""
    sandbox = Sandbox(conversations=30, clock=Clock(START, frozen=True), awkward=0.0)
    opening = state(sandbox)
    life = sandbox.live(0)
    for _ in range(20):
        life.step()
    sandbox.clock.advance(60)
    snapshot, middle = sandbox.snapshot(), state(sandbox)
    for _ in range(2):
        for _ in range(30):
            life.step()
        assert state(sandbox) != middle
        sandbox.restore(snapshot)
        assert state(sandbox) == middle != opening
    host = sandbox.world.population.hosts[0]
    assert sandbox.world.user(host.user_id) is host


def test_a_reset_account_is_as_at_its_opening() -> None:
    """A reset brings the opening state back, also on a later day, and disarms the faults."""
    sandbox = Sandbox(conversations=30, clock=Clock(START, frozen=True), awkward=0.0)
    opening, life = state(sandbox), sandbox.live(0)
    for _ in range(40):
        life.step()
    sandbox.clock.advance(3 * 86_400)
    sandbox.reset()
    assert state(sandbox) == opening
    assert not sandbox.faults


async def test_another_process_controls_the_account() -> None:
    """The control endpoint takes and restores snapshots by name, lets the account change, and resets it."""
    clock = Clock(START, frozen=True)
    async with Sandbox(conversations=20, control=True, clock=clock) as sandbox, aiohttp.ClientSession() as session:
        root = sandbox.api_url.removesuffix("/v2") + "/_sandbox"
        opening = state(sandbox)

        async def post(path: str, body: Any = None) -> tuple[int, Any]:
            async with session.post(root + path, json=body) as answer:
                return answer.status, await answer.json() if answer.status != 204 else None

        assert (await post("/snapshots/before"))[0] == 201
        status, answer = await post("/live", {"steps": 15})
        assert status == 200
        assert len(answer["changes"]) == 15
        assert state(sandbox) != opening
        assert (await post("/snapshots/before/restore"))[0] == 204
        assert state(sandbox) == opening
        await post("/live", {"steps": 15})
        assert (await post("/reset"))[0] == 204
        assert state(sandbox) == opening
        assert (await post("/snapshots/unknown/restore"))[0] == 404
        assert (await post("/live", {"steps": 0}))[0] == 400


async def test_every_host_has_its_fixed_port() -> None:
    """Four given ports are those of the API, the uploads, the files and the tokens; fewer are refused."""
    held = [socket.socket() for _ in range(4)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    async with Sandbox(conversations=1, ports=ports) as sandbox:
        urls = [sandbox.api_url, sandbox.upload_url, sandbox.file_url, sandbox.token_url]
        assert [int(url.split("/")[2].split(":")[1]) for url in urls] == ports
    with pytest.raises(ValueError, match="give four"):
        Sandbox(ports=[8100])
