"""A response of aiohttp that is read in chunks."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from zra_async import errors
from zra_async.core.place import Place
from zra_async.core.transport import aiohttp_internals
from zra_async.core.transport.failures import closed, failure


class AiohttpStreamedResponse:
    """A response that is read in chunks. It refuses the use outside of its ``place``."""

    def __init__(self, response: aiohttp.ClientResponse, name: str, host: str, place: Place) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._name = name
        self._host = host
        self._place = place

    async def read(self) -> bytes:
        """Return the bytes that have arrived, or nothing at the end. Raises `TransportError` if the end is missing."""
        self._place.check()
        error: errors.TransportError
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = failure(problem, self._name, self._host, sent=True)
        except RuntimeError as problem:
            error = closed(problem, self._name, self._host, sent=True)
        # What had arrived before the connection broke is good. The next read raises again.
        rest = aiohttp_internals.arrived(self._response.content)
        if not rest:
            raise error  # out here, since aiohttp's own error, which would be its context, shows the link
        return rest

    def close(self) -> None:
        """Release the connection: to its pool after the end, and by closing it before."""
        if self._place.forked:
            return  # the connection is the parent's
        self._place.check()
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()
