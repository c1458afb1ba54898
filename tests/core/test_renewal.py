"""Renewing tokens in time, in virtual time: ahead of expiry, without making anybody wait, and patiently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from tests import virtual
from zra_async import ServerToServer, errors
from zra_async.core.auth import AuthContext
from zra_async.core.events import Event, TokenFetched

SECRET = "client-secret-31ffa8"
Answer = tuple[int, bytes]


def grant(number: int, expires_in: float = 3600) -> Answer:
    """The n-th token."""
    return 200, msgspec.json.encode({"access_token": f"token-number-{number}", "expires_in": expires_in})


@dataclass
class Desk:
    """A token endpoint that takes a second for each answer, and what a client lends its authentication."""

    answers: list[Answer | Exception] = field(default_factory=list)
    expires_in: float = 3600
    asked_at: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def post_form(self, url: str, form: Mapping[str, str], authorization: str, timeout: float) -> Answer:
        """Answer after a second."""
        self.asked_at.append(asyncio.get_running_loop().time())
        number = len(self.asked_at)
        await asyncio.sleep(1)
        answer = self.answers.pop(0) if self.answers else grant(number, self.expires_in)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Start a task."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        return task

    def auth(self) -> ServerToServer:
        """An authentication that asks here."""
        auth = ServerToServer("account", "client", SECRET)
        auth.bind(AuthContext(self.post_form, self.spawn, self.events.append, "https://zoom.test/token"))
        return auth


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene in virtual time."""
    virtual.run(scene())  # type: ignore[arg-type]


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


def test_a_token_is_renewed_ahead_of_its_expiry_in_the_background() -> None:
    """Five minutes before its end a caller gets the old token at once, and soon the new one is in use."""

    async def scene() -> None:
        desk = Desk()
        auth = desk.auth()
        first = await auth.header()
        await asyncio.sleep(3600 - 301)
        assert await auth.header() == first
        assert len(desk.asked_at) == 1
        await asyncio.sleep(2)
        began = now()
        assert [await auth.header() for _ in range(100)] == [first] * 100
        assert now() == began
        await asyncio.sleep(1.1)
        assert await auth.header() == "Bearer token-number-2"
        assert len(desk.asked_at) == 2

    play(scene)


def test_a_short_lived_token_is_renewed_at_half_time() -> None:
    """A token of two minutes is not renewed all the time, but once a minute is left."""

    async def scene() -> None:
        desk = Desk(expires_in=120)
        auth = desk.auth()
        for _ in range(110):
            await auth.header()
            await asyncio.sleep(1)
        assert 2 <= len(desk.asked_at) <= 3
        assert desk.asked_at[1] - desk.asked_at[0] == pytest.approx(61, abs=1.5)

    play(scene)


def test_nobody_uses_a_token_that_has_expired() -> None:
    """After a long silence the next caller waits for a new token, and all others with it."""

    async def scene() -> None:
        desk = Desk()
        auth = desk.auth()
        await auth.header()
        await asyncio.sleep(4000)
        headers = await asyncio.gather(*(auth.header() for _ in range(50)))
        assert set(headers) == {"Bearer token-number-2"}
        assert len(desk.asked_at) == 2

    play(scene)


def test_a_renewal_ahead_of_time_may_fail() -> None:
    """The old token serves on; renewals are tried again with pauses; only at the end the error is raised."""

    async def scene() -> None:
        desk = Desk()
        auth = desk.auth()
        first = await auth.header()
        desk.answers = [(401, b'{"error": "invalid_client"}')] * 1000
        await asyncio.sleep(3400)
        asked = len(desk.asked_at)
        for _ in range(100):
            assert await auth.header() == first
            await asyncio.sleep(1)
        assert 5 <= len(desk.asked_at) - asked <= 8
        await asyncio.sleep(200)
        with pytest.raises(errors.TokenError, match="invalid_client"):
            await auth.header()
        desk.answers.clear()
        assert (await auth.header()).startswith("Bearer token-number")

    play(scene)


def test_trouble_is_repeated_after_growing_pauses() -> None:
    """Three attempts in all for a server that fails or hangs up; the last failure is raised."""

    async def scene() -> None:
        lost = errors.ConnectionLost("token", "gone", sent=True)
        desk = Desk([(500, b""), lost])
        assert await desk.auth().header() == "Bearer token-number-3"
        gaps = [later - sooner for sooner, later in zip(desk.asked_at, desk.asked_at[1:], strict=False)]
        assert gaps == pytest.approx([2, 3], abs=0.01)
        desk = Desk([TimeoutError(), lost, (503, b"<html>")])
        with pytest.raises(errors.TokenError, match=r"HTTP 503.*try again later"):
            await desk.auth().header()
        desk = Desk([(503, b""), lost, TimeoutError()])
        with pytest.raises(errors.TokenError, match=r"zoom.test cannot be reached \(TimeoutError\)"):
            await desk.auth().header()

    play(scene)


def test_a_cancelled_caller_cancels_nobody_else() -> None:
    """The one who started the fetch goes away: the others get the token, and it was asked for once."""

    async def scene() -> None:
        desk = Desk()
        auth = desk.auth()
        callers = [asyncio.create_task(auth.header()) for _ in range(10)]
        await asyncio.sleep(0.5)
        for caller in callers[:5]:
            caller.cancel()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[:5]] == [asyncio.CancelledError] * 5
        assert set(outcomes[5:]) == {"Bearer token-number-1"}
        assert len(desk.asked_at) == 1

    play(scene)


def test_all_callers_may_go_away() -> None:
    """The fetch goes on for those who come later."""

    async def scene() -> None:
        desk = Desk()
        auth = desk.auth()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await auth.header()
        assert await auth.header() == "Bearer token-number-1"
        assert now() == pytest.approx(1, abs=0.01)

    play(scene)


def test_compare_and_swap() -> None:
    """Dropping a token twice, or a token of earlier, costs one fetch in all."""

    async def scene() -> None:
        desk = Desk()
        auth = desk.auth()
        first = await auth.header()
        assert auth.invalidate(first)
        assert auth.invalidate(first)
        second = await auth.header()
        assert auth.invalidate(first)
        assert await auth.header() == second != first
        assert len(desk.asked_at) == 2
        assert [event for event in desk.events if isinstance(event, TokenFetched)] == [TokenFetched(3600)] * 2

    play(scene)


def test_an_authentication_of_no_client() -> None:
    """Without an open client there is nobody to ask with."""

    async def scene() -> None:
        with pytest.raises(errors.ClientNotOpen, match="belongs to no open client"):
            await ServerToServer("account", "client", SECRET).header()

    play(scene)
