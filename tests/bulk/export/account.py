"""A sandbox account without limits, and a client of it that repeats quickly."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from zra_async import Label, Rate, RetryPolicy, ZRAClient
from zra_async.sandbox import Sandbox

UNLIMITED = {label: Rate(1_000_000) for label in Label}


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here cuts the power, so nothing has to reach the disk; a module that imports this takes part."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@asynccontextmanager
async def account(conversations: int = 20, **options: Any) -> AsyncIterator[tuple[Sandbox, ZRAClient]]:
    """Open both; ``client`` holds options of the client, the others are those of the sandbox."""
    client_options = options.pop("client", {})
    async with Sandbox(conversations=conversations, limits=False, **options) as sandbox:
        settings = {
            "limits": UNLIMITED,
            "retry": RetryPolicy(base=0.01),
            "observer": lambda _: None,
            **client_options,
        }
        async with sandbox.client(**settings) as zra:
            yield sandbox, zra


async def add_conversation(sandbox: Sandbox, zra: ZRAClient, topic: str = "Renewal") -> str:
    """Add a conversation, which is in processing at first."""
    added = await zra.conversations.add(
        conversation_type="meeting",
        meeting_start_time=sandbox.clock.now() - timedelta(hours=1),
        download_url="https://example.com/recording.mp4",
        conversation_topic=topic,
    )
    return added.conversation_id
