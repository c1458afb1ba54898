"""The seam between a call and the network: what a transport does for one attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from zra_async.core.transport.attempt import Attempt
from zra_async.core.wire import Reply, Request


class StreamedResponse(Protocol):
    """A response that is read in chunks."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Return the bytes that have arrived, or nothing at the end. Raises `TransportError` if the end is missing."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class Transport(Protocol):
    """Sends single attempts. It follows no redirect and repeats nothing."""

    async def open(self) -> None:
        """Prepare the pools of the running event loop."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...

    def abandon(self) -> None:
        """Forget every connection without touching its socket: another process still uses it."""
        ...

    async def send(
        self, request: Request, url: str, authorization: str, *, timeout: float | None, attempt: Attempt
    ) -> Reply:
        """Send one attempt to ``url`` and read the whole answer.

        The attempt counts as sent unless ``attempt.sent`` is set to False, for whatever reason this method ends, be it
        a cancellation. ``attempt.permit.sent()`` may be called at the moment when the request leaves. When the method
        ends, nothing reads the body of the request any more. Raises `TransportError` or `AnswerTooLarge`.
        """
        ...

    async def fetch(self, name: str, link: str, headers: Mapping[str, str]) -> StreamedResponse:
        """Request ``link`` and return the response once its headers have arrived. Raises `TransportError`."""
        ...

    async def post_form(
        self, url: str, form: Mapping[str, str], authorization: str, timeout: float
    ) -> tuple[int, bytes]:
        """Post a form and return status and body. Raises `TransportError` or `AnswerTooLarge`."""
        ...
