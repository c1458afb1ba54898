"""The state of one attempt: whether its request may have reached the service."""

from __future__ import annotations

from typing import Protocol

import aiohttp

from zra_async.core.limits import Permit

#: raised before a request is written: no connection was made, the proxy gave no tunnel, or there is no such address
NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


class PartlySent(Protocol):
    """A body that knows how much of it has left."""

    @property
    def incomplete(self) -> bool:
        """Tell whether a part of the body has left but not all of it."""
        ...


class Attempt:
    """One attempt and the evidence about it.

    `sent` is true unless it is proven that the service cannot have acted on the request. Only what did happen is proof:
    a private method of aiohttp that was not called may have been renamed or replaced. `permit` may be told the moment
    at which the request leaves.
    """

    __slots__ = ("body", "connected", "connecting", "permit", "sent")

    permit: Permit
    sent: bool
    body: PartlySent | None
    connecting: bool  #: a connection was asked for
    connected: bool  #: a connection was given

    def __init__(self, permit: Permit) -> None:
        self.permit = permit
        self.sent = True
        self.body = None
        self.connecting = self.connected = False

    def settle(self, problem: BaseException) -> bool:
        """Decide on `sent` for an attempt that ended with ``problem``, and return it."""
        if self.connected:
            self.permit.sent()  # the service may count even what it cannot act on
            self.sent = self.body is None or not self.body.incomplete
        elif self.connecting or isinstance(problem, NEVER_CONNECTED):
            self.sent = False
        else:
            self.sent = self.body is None or not self.body.incomplete
        return self.sent
