"""What changes in an account after its analysis: found by listing the account as a whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.export.account import account, add_conversation, quick_disk  # noqa: F401
from zra_async import ZRAClient, errors
from zra_async.bulk import UnitCounts, read_stream
from zra_async.sandbox import Fault, Sandbox

LIST = "GET /zra/conversations"
GET = "GET /zra/conversations/{conversationId}"


def hosts(folder: Path) -> dict[str, str]:
    """Return the host of each conversation of a folder."""
    return {row["conversation_id"]: row["host_id"] for row in read_stream(folder, "conversations")}


async def change(sandbox: Sandbox, zra: ZRAClient) -> tuple[str, str, str]:
    """Delete the oldest conversation, give the next one another host, and return both with that host."""
    gone, moved = [found.conversation_id for found in sandbox.world.newest_first()][-2:]
    await zra.conversations.delete(gone)
    before = sandbox.world.find(moved)
    host = next(user.user_id for user in sandbox.world.users if user.licensed and before and user is not before.host)
    await zra.conversations.update_host(moved, new_host_id=host)
    return gone, moved, host


async def test_an_incremental_run_finds_what_has_changed_and_what_is_gone(tmp_path: Path) -> None:
    """It lists everything, and reads only what the list shows to be new."""
    async with account(700) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations")
        gone, moved, host = await change(sandbox, zra)
        lists, reads = sandbox.stats.operations[LIST], sandbox.stats.operations[GET]
        report = await zra.export(tmp_path, streams="conversations")
        assert sandbox.stats.operations[LIST] - lists == 3
        assert sandbox.stats.operations[GET] - reads == 2
    assert report.units["conversation"] == UnitCounts(done=1, skipped=698, deleted=1)
    found = hosts(tmp_path)
    assert gone not in found
    assert found[moved] == host
    assert len(found) == 699


async def test_an_unchanged_account_costs_its_list_and_nothing_more(tmp_path: Path) -> None:
    """No conversation and no deal is read again."""
    async with account(400) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations,deals")
        before = dict(sandbox.stats.operations)
        report = await zra.export(tmp_path, streams="conversations,deals")
        made = {name: count - before[name] for name, count in sandbox.stats.operations.items() if count > before[name]}
    assert made == {LIST: 2, "GET /zra/deals": 1}
    assert report.calls == {"MEDIUM": 3}


@pytest.mark.parametrize(
    ("sweep", "seconds", "swept"),
    [
        ("daily", 23 * 3600, False),
        ("daily", 25 * 3600, True),
        (timedelta(hours=2), 3 * 3600, True),
        ("never", 1e6, False),
    ],
)
async def test_a_sweep_is_made_when_it_is_due(sweep: Any, seconds: float, swept: bool, tmp_path: Path) -> None:
    """Its time is counted from the last complete one, on the service's clock."""
    async with account(20) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations", sweep=sweep)
        _, moved, host = await change(sandbox, zra)
        sandbox.clock.advance(seconds)
        await zra.conversations.get(moved)  # the client learns the time from an answer
        await zra.export(tmp_path, streams="conversations", sweep=sweep)
    assert (hosts(tmp_path)[moved] == host) is swept
    assert len(hosts(tmp_path)) == (19 if swept else 20)


async def test_a_run_that_is_resumed_when_a_sweep_is_due_makes_it(tmp_path: Path) -> None:
    """A short list that a stopped run has read does not stand for the whole list of the run after it."""
    async with account(20) as (sandbox, zra):
        await zra.export(tmp_path, streams="conversations", sweep="daily")
        _, moved, host = await change(sandbox, zra)
        sandbox.clock.advance(23 * 3600)
        await add_conversation(sandbox, zra)
        sandbox.clock.advance(60)  # it is analysed
        sandbox.faults.add(Fault(operation="GET /conversations/{conversationId}", status=401))
        with pytest.raises(errors.AuthenticationFailed):
            await zra.export(tmp_path, streams="conversations", sweep="daily")
        sandbox.faults.clear()
        sandbox.clock.advance(2 * 3600)
        await zra.conversations.get(moved)  # the client learns the time from an answer
        await zra.export(tmp_path, streams="conversations", sweep="daily")
    assert hosts(tmp_path)[moved] == host


@pytest.mark.parametrize("sweep", ["", "hourly", timedelta(days=-1), 7, None])
async def test_another_word_is_refused(sweep: Any, tmp_path: Path) -> None:
    """The error says what may be given, and nothing is made."""
    async with account(1) as (_, zra):
        with pytest.raises(errors.InvalidArgument, match="'always', 'daily', 'never' or a timedelta"):
            await zra.export(tmp_path / "new", sweep=sweep)
    assert not (tmp_path / "new").exists()
