"""The download link of a recording: links that expire, redirects, and trusted or foreign hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qs

from yarl import URL

from zra_async import errors
from zra_async.api.conversations.operations import GET
from zra_async.core.address import Address
from zra_async.core.clock import utc_now
from zra_async.core.redirects import REDIRECTS, Route, is_trusted
from zra_async.core.secret import Secret
from zra_async.core.transport import StreamedResponse
from zra_async.core.wire import Reply, failure

NAME = "conversations.download_recording"
_REFUSALS = frozenset({401, 403, 404, 410})
_UNSATISFIABLE = 416


class LinkFailed(Exception):
    """An error that has been repeated often enough where it arose."""

    def __init__(self, error: errors.CallError) -> None:
        self.error = error
        super().__init__(str(error))


class Fetcher(Protocol):
    """The part of a client's session that file transfers use."""

    async def fetch(self, name: str, link: str, headers: Mapping[str, str]) -> StreamedResponse:
        """Ask for what a link points to."""
        ...

    async def authorization(self) -> str:
        """The header for hosts that want one."""
        ...


class RecordingLink:
    """Opens connections to one recording.

    ``fresh`` gives a new link to it, None when there is no recording. ``origin`` is the API that gives the links; they
    may lead to it and to the ``trusted`` domains. ``now`` tells the service's time.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        fresh: Callable[[], Awaitable[str | None]],
        *,
        origin: str,
        trusted: tuple[str, ...],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.now: Callable[[], datetime] = now
        self._fetcher = fetcher
        self._fresh = fresh
        self._origin = URL(origin)
        self._trusted = trusted
        self._link = Secret("")

    @property
    def file_name(self) -> str:
        """The file name in the link itself, "" if there is none."""
        return parse_qs(self._link.partition("?")[2]).get("filename", [""])[-1]

    async def open(self, headers: Mapping[str, str]) -> StreamedResponse:
        """Begin an answer of status 200, 206 or 416; a link that is refused is replaced by a fresh one.

        A link carries its own permission. Only where a fresh one is refused as well, the token goes with it, since
        every host on the way is a trusted one. Raises `LinkRefused`, `NoRecording`, `UnsafeRedirect`, the errors of
        the hosts and of the transport, and `LinkFailed` where no fresh link could be had.
        """
        if self._link and (response := await self._try(headers)):
            return response
        self._link = await self._new_link()
        if response := await self._try(headers):
            return response
        if response := await self._try({**headers, "Authorization": await self._fetcher.authorization()}):
            return response
        raise errors.LinkRefused(NAME, "the download link was refused, although it was fresh")

    async def _new_link(self) -> Secret:
        try:
            link = Secret(await self._fresh() or "")
        except errors.CallError as problem:
            raise LinkFailed(problem) from problem
        if not link:
            raise errors.NoRecording(NAME, "this conversation has no recording to download, or not yet")
        target = _address(link)
        if target is None:
            raise errors.UnsafeRedirect(NAME, "the download link is not an address")
        if not is_trusted(target.url, self._origin, self._trusted):
            raise errors.UnsafeRedirect(
                NAME,
                f"the download link leads to {target.place}, which is not a trusted https host; "
                "nothing was sent there: Hosts(trusted=…) names the domains that are",
            )
        return link

    async def _try(self, headers: Mapping[str, str]) -> StreamedResponse | None:
        route = Route(self._link, self._trusted)
        while True:
            response = await self._fetcher.fetch(NAME, route.url, headers)
            status = response.status
            if status == _UNSATISFIABLE or (status in {200, 206} and not _is_page(response.headers)):
                return response
            response.close()
            if status in _REFUSALS or status in {200, 206}:
                return None
            reply = Reply(status, response.headers, b"")
            if status not in REDIRECTS:
                raise failure(GET, reply, now=self.now()) or errors.UnexpectedAnswer(
                    NAME, "not a recording", status=status
                )
            route.follow(GET, reply)


def _address(link: str) -> Address | None:
    try:
        address = Address(link)
        return address if address.host else None
    except ValueError:
        return None


def _is_page(headers: Mapping[str, str]) -> bool:
    """Return True if an answer is a page for people: it means that the link has expired, and is no recording."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}
