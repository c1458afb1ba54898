"""The account lives: what changes by itself follows from the seed, and the API shows what the truth says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox.desk import Desk
from zra_async.sandbox import Clock, Sandbox
from zra_async.sandbox.faults.faults import Faults
from zra_async.sandbox.life import KINDS, Kind, Life

START = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


def life_of(desk: Desk, seed: int = 1, faults: Faults | None = None) -> Life:
    return Life(desk.account, Faults() if faults is None else faults, rate=0, seed=seed)


def rows(desk: Desk) -> dict[str, Any]:
    return {row["conversation_id"]: row for row in desk.truth.conversations()}


def test_the_same_seed_gives_the_same_life() -> None:
    """Two accounts of one seed live the same life, another seed gives another one, and every kind of change occurs."""
    first, second, other = Desk(), Desk(), Desk()
    lives = [life_of(first), life_of(second), life_of(other, seed=2)]
    for _ in range(150):
        for desk, life in zip((first, second, other), lives, strict=True):
            desk.clock.advance(7)
            life.step()
    assert lives[0].changes == lives[1].changes != lives[2].changes
    assert list(first.truth.conversations()) == list(second.truth.conversations())
    assert {change.kind for change in lives[0].changes} == set(KINDS)


@pytest.mark.parametrize("kind", ["analysis", "host", "deal", "scorecard", "comment"])
def test_a_step_changes_one_conversation(kind: Kind) -> None:
    """A step of a kind changes the conversation that it names, for good, and no other."""
    desk = Desk()
    life, old = life_of(desk), rows(desk)

    def content(name: str) -> tuple[Any, ...]:
        return desk.truth.detail(name), desk.truth.scorecards(name), list(desk.truth.comments(name))

    before = {name: content(name) for name in old}
    change = life.step(kind)
    desk.clock.advance(60)
    assert change.kind == kind
    assert {name for name in before if content(name) != before[name]} == {change.subject}
    assert (rows(desk)[change.subject] != old[change.subject]) is (kind in ("analysis", "host", "deal"))


async def test_a_moved_conversation_is_an_activity_of_its_new_deal() -> None:
    """A conversation that moves leaves the activities of its old deal and joins those of the new one, also back."""
    desk = Desk()
    name = life_of(desk).step("deal").subject
    world = desk.world
    for deal in (0, 1, 2, 0):
        old = world.require(name).deal
        world.change(world.require(name)._replace(deal=deal))
        if old not in (deal, -1):
            assert all(found.conversation_id != name for found in world.conversations_of(old))
        assert [found.conversation_id for found in world.conversations_of(deal)].count(name) == 1


async def test_a_repeated_analysis_is_listed_by_its_new_time() -> None:
    """A conversation that is analysed again appears among what was processed since, though it is old."""
    desk = Desk()
    now = desk.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    name = life_of(desk).step("analysis").subject
    assert rows(desk)[name]["processing_analysis"]
    desk.clock.advance(60)
    answer = await desk.get("/conversations", {"from": now, "period_type": "iqProcessedTime"})
    assert [row["conversation_id"] for row in answer["conversations"]] == [name]


async def test_a_webhook_may_come_before_its_conversation() -> None:
    """Some new conversations are unknown, by id and in lists, for some seconds after their event is due."""
    desk = Desk()
    life = life_of(desk)
    late = [name for name in (life.step("conversation").subject for _ in range(20)) if desk.world.find(name) is None]
    assert 0 < len(late) < 20
    desk.clock.advance(desk.options.processing_seconds)
    assert any(desk.world.find(name) is None and name not in rows(desk) for name in late)
    desk.clock.advance(45)
    assert set(late) <= set(rows(desk))
    assert all(not rows(desk)[name]["processing_analysis"] for name in late)


def test_retention_deletes_the_oldest_and_an_empty_account_goes_on() -> None:
    """Deletions empty an account, the oldest first, and then new conversations come in place of further changes."""
    desk = Desk(conversations=5)
    life = life_of(desk)
    while rows(desk):
        life.step("deletion")
    assert life.step("deletion").kind == life.step("host").kind == "conversation"


def test_refusals_and_crowds_pass() -> None:
    """Refused features and "too many concurrent requests" are faults that end after some requests."""
    desk, faults = Desk(), Faults()
    life = life_of(desk, faults=faults)
    life.step("refusal")
    life.step("concurrency")
    assert [fault.status for fault in faults] == [403, 429]
    assert all(fault.times for fault in faults)


async def test_the_rate_is_of_the_clock() -> None:
    """A leap of the clock brings as many changes as its time is worth, and a stopped life changes nothing."""
    clock = Clock(START, frozen=True)
    async with Sandbox(conversations=20, clock=clock) as sandbox:
        life = sandbox.live(rate=2.0, seed=3, kinds=["host"])
        clock.advance(50)
        for _ in range(400):
            await asyncio.sleep(0)
        made = len(life.changes)
        assert 60 < made < 150
        await life.stop()
        clock.advance(50)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(life.changes) == made


def test_unknown_changes_are_refused() -> None:
    """A kind that does not exist is named together with those that do."""
    unknown: Any = ["earthquake"]
    with pytest.raises(ValueError, match=r"earthquake.*conversation"):
        Sandbox().live(0, kinds=unknown)
