"""The sandbox and the client meet: one call gives an open-ready client, and so does the environment."""

from __future__ import annotations

import pytest

from zra_async import ZRAClient
from zra_async.errors import RateLimited
from zra_async.sandbox import Fault, Sandbox


async def test_a_client_of_the_sandbox_is_ready_to_open() -> None:
    """``client()`` carries credentials, hosts and plan, so that the first call works."""
    async with Sandbox(conversations=5, plan="free") as sandbox, sandbox.client() as zra:
        listed = [conversation.conversation_id async for conversation in zra.conversations.list()]
        assert listed == [row["conversation_id"] for row in sandbox.truth.conversations()]
        assert "free" in repr(zra)
        assert sandbox.stats["MEDIUM"].rejected == 0


async def test_options_of_the_client_come_before_those_of_the_sandbox() -> None:
    """A plan given to ``client()`` replaces the sandbox's own."""
    async with Sandbox(conversations=1, plan="free") as sandbox:
        assert "business" in repr(sandbox.client(plan="business"))


def test_there_is_no_client_before_the_sandbox_serves() -> None:
    """Asking for a client too early says what to do."""
    with pytest.raises(RuntimeError, match="async with"):
        Sandbox(conversations=1).client()


async def test_the_environment_leads_a_client_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """``from_env`` finds the sandbox by the variables that it names."""
    async with Sandbox(conversations=3) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        async with ZRAClient.from_env() as zra:
            assert len([conversation async for conversation in zra.conversations.list()]) == 3


async def test_a_day_that_is_used_up_is_seen_by_the_client() -> None:
    """A daily 429 of the sandbox becomes the client's own error."""
    fault = Fault(
        operation="GET /conversations",
        status=429,
        body={"code": 429, "message": "You have reached the maximum daily rate limit for this API."},
        headers={"X-RateLimit-Type": "Daily-limit", "X-RateLimit-Category": "Medium"},
        retry_after="iso",
        retry_seconds=3600,
    )
    async with Sandbox(conversations=1, faults=[fault]) as sandbox, sandbox.client() as zra:
        with pytest.raises(RateLimited):
            await zra.conversations.list()
