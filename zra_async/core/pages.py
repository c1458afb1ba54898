"""Lists that come in pages: awaitable for the first page, iterable for every item, resumable from a cursor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from zra_async import errors
from zra_async.core.cancellation import CallersCode
from zra_async.core.secret import partial_repr
from zra_async.results.plain import plain

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page: its `items`, the token of the page after it ("" on the last one), and the whole `answer`.

    `dropped` are the paths of the fields that could not be read and have their default, such as ``deals[3].owner_id``.
    """

    items: Sequence[T]
    next_page_token: str
    answer: Any
    dropped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the items and the token as plain JSON values."""
        return {"items": [plain(item) for item in self.items], "next_page_token": self.next_page_token}

    def __repr__(self) -> str:
        return partial_repr(self, "items", "next_page_token")


FetchPage = Callable[[str], Awaitable[Page[T]]]
Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


def _anywhere() -> None:
    """Accept every event loop."""


class Pages(Generic[T]):
    """A list of the API, page by page.

        first = await pages               # the first page
        async for item in pages: ...      # every item of every page
        async for page in pages.pages():  # every page

    The position moves only when a page has arrived: after an error or a ``break``, iterating again goes on where it
    stopped. No task and no timeout outlives a step, so steps may be made from different tasks. With
    ``look_ahead()`` the next page is fetched while the items of the present one are used.
    """

    def __init__(
        self,
        operation: str,
        fetch: FetchPage[T],
        spawn: Spawn,
        *,
        cursor: str = "",
        check: Callable[[], None] = _anywhere,
    ) -> None:
        self._operation = operation
        self._fetch = fetch
        self._spawn = spawn
        self._check = check  # raises in another event loop or process, where a lock or a task would wait for ever
        self._token: str | None = cursor  # of the page to fetch next; None after the last one
        self._page: Page[T] | None = None
        self._page_token = cursor  # of the page in hand
        self._index = 0
        self._seen = {hash(cursor)} if cursor else set[int]()
        self._fetching = asyncio.Lock()
        self._ahead = False
        self._flight: asyncio.Task[Page[T]] | None = None

    @property
    def cursor(self) -> str | None:
        """The position to resume from: the token of the first page with unread items, "" at the start, None at the end.

        Give it as ``cursor=`` to the same call with the same arguments; it is good for 15 minutes.
        """
        return self._page_token if self._unread() else self._token

    def look_ahead(self) -> Pages[T]:
        """Fetch one page ahead from now on; returns the list itself."""
        self._ahead = True
        return self

    def __await__(self) -> Generator[Any, None, Page[T]]:
        return self._first().__await__()

    def __aiter__(self) -> Pages[T]:
        return self

    async def __anext__(self) -> T:
        while not self._unread():
            if self._token is None:
                raise StopAsyncIteration
            await self._advance()
        page = self._page
        assert page is not None
        self._index += 1
        return page.items[self._index - 1]

    async def pages(self) -> AsyncGenerator[Page[T]]:
        """Iterate over the pages from the present position on; a page that was begun gives its unread items."""
        while self._unread() or self._token is not None:
            if not self._unread() and not await self._advance() and not self._unread():
                continue  # another task has fetched this page meanwhile, and taken it
            page = self._page
            assert page is not None
            rest, self._index = page.items[self._index :], len(page.items)
            yield page if len(rest) == len(page.items) else msgspec.structs.replace(page, items=rest)

    async def aclose(self) -> None:
        """Drop a page that is being fetched ahead; without ``look_ahead()`` there is nothing to close."""
        if self._flight is None:
            return
        self._check()
        flight, self._flight = self._flight, None
        flight.cancel()
        await asyncio.wait([flight])

    def __del__(self) -> None:
        flight = self.__dict__.get("_flight")
        if flight is None or flight.done():
            return
        loop = flight.get_loop()
        with contextlib.suppress(RuntimeError):  # there is no running loop, or that of the task is closed
            if asyncio.get_running_loop() is loop:
                flight.cancel()
                return
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(flight.cancel)  # the last reference was dropped in another thread

    async def _first(self) -> Page[T]:
        if self._page is None:
            await self._advance()
        assert self._page is not None
        return self._page

    def _unread(self) -> bool:
        return self._page is not None and self._index < len(self._page.items)

    async def _advance(self) -> bool:
        """Fetch the next page; False if another task has fetched it meanwhile."""
        self._check()
        wanted = self._token
        async with self._fetching:
            token = self._token
            if token is None or token != wanted:
                return False
            page = await self._take(token)
            following = page.next_page_token or None
            if following is not None:
                if hash(following) in self._seen:
                    raise errors.PageTokenRepeated(self._operation, "the service sent the same page token twice")
                self._seen.add(hash(following))
            self._page, self._page_token, self._index, self._token = page, token, 0, following
            if self._ahead and following is not None:
                self._flight = self._spawn(_ahead(self._fetch, following))
                self._flight.add_done_callback(_note_error)
            return True

    async def _take(self, token: str) -> Page[T]:
        flight, self._flight = self._flight, None
        if flight is None or flight.cancelled():
            return await self._fetch(token)
        code = CallersCode()
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            if not flight.done():
                self._flight = flight
            if flight.cancelled() and not code.cancelled:
                raise errors.ClientNotOpen("the client was closed while a page was fetched") from None
            raise


async def _ahead(fetch: FetchPage[T], token: str) -> Page[T]:
    # not a method: a running task that held the list would keep it from ever being dropped, and so itself from ending
    return await fetch(token)


def _note_error(flight: asyncio.Task[Any]) -> None:
    # whoever comes for the page gets its error; asyncio must not complain when nobody comes
    if not flight.cancelled():
        flight.exception()
