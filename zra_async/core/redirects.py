"""Redirects: where one may lead, and what is sent there.

A redirect leads to https hosts at or below the trusted domains, to the very origin that sent it, or from one loopback
address to another; to any other place nothing is sent. On the way there the Authorization header is kept. The status
decides what is sent:

    status      GET         write that may be repeated    upload to the file host    any other write
    301, 302    GET         the same again                the same again             refused: `RedirectedWrite`
    303         GET         GET, without the body         refused, or GET if it      refused: `RedirectedWrite`
                                                          may be repeated
    307, 308    GET         the same again                the same again             the same again

"The same again" is method and body. 307 and 308 say that the request was not processed. 301 and 302 do not: some
servers send them after a write that was done, so a write that must not be done twice is in doubt; the reference demands
of callers that uploads follow them. 303 says that the answer is elsewhere, and so that something was done. A download
is a GET, and a token is requested from the configured address only: its redirects are not followed.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from yarl import URL

from zra_async import errors
from zra_async.core.address import Address, checked_url, is_loopback, is_plain_host
from zra_async.core.operation import Host, Operation
from zra_async.core.secret import Secret
from zra_async.core.wire import Reply, Request

logger: logging.Logger = logging.getLogger("zra_async")
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_HOPS = 5


class Route:
    """The way of one attempt over redirects: where it is, and what was sent where before."""

    __slots__ = ("_seen", "_trusted", "url")

    def __init__(self, url: str, trusted: Sequence[str]) -> None:
        self.url: str = url
        self._trusted = trusted
        self._seen: list[tuple[str, str]] = []

    def follow(self, operation: Operation[Any], reply: Reply) -> str:
        """Move to the target of a redirect and return its host.

        Raises `UnsafeRedirect` if the target is not trusted or makes a circle, and `RedirectedWrite` if the redirect
        does not tell whether a write was done.
        """
        follows = following(operation, reply.status)
        if follows == "refused":
            try:
                target = self._target(operation, reply)
                words = f"redirected to {target.place} with HTTP {reply.status}, which is not followed for a write"
                outcome = errors.UnsafeRedirect(operation.name, words)
            except errors.UnsafeRedirect as problem:
                outcome = problem
            raise errors.RedirectedWrite(operation.name, outcome) from None
        target = self._target(operation, reply)
        url = Secret(target.url)  # it may carry a signature
        self._seen.append((operation.method, self.url))
        method = "GET" if follows == "GET" else operation.method
        if (method, url) in self._seen or len(self._seen) > MOST_HOPS:
            raise errors.UnsafeRedirect(operation.name, f"redirected in a circle, or more than {MOST_HOPS} times")
        self.url = url
        return target.host

    def _target(self, operation: Operation[Any], reply: Reply) -> Address:
        here = Address(self.url)
        target = _address(here, Secret(reply.headers.get("Location", "")))
        if target is None:
            raise errors.UnsafeRedirect(operation.name, "a redirect without a usable Location")
        if not is_trusted(target.url, here.url, self._trusted):
            raise errors.UnsafeRedirect(
                operation.name,
                f"redirected to {target.place}, which is not a trusted https host; nothing was sent there",
            )
        return target


def following(operation: Operation[Any], status: int) -> Literal["again", "GET", "refused"]:
    """Decide what is sent to the target of a redirect, as the table above says."""
    repeatable = operation.retry_safe or operation.method == "GET"
    if status in {307, 308} or operation.method == "GET":
        return "again"
    if status == 303:
        return "GET" if repeatable else "refused"
    return "again" if repeatable or operation.host is Host.FILE else "refused"


def redirected(request: Request, status: int) -> Request:
    """Return the request for the target of a redirect that is followed."""
    if following(request.operation, status) != "GET":
        return request
    operation = msgspec.structs.replace(request.operation, method="GET")
    return msgspec.structs.replace(request, operation=operation, body=None)


def _address(here: Address, location: str) -> Address | None:
    try:
        target = here.join(location)
        return target if location and target.host else None  # yarl looks at the port no earlier than here
    except ValueError:
        return None


def is_trusted(target: URL, here: URL, trusted: Sequence[str]) -> bool:
    """Return True if the Authorization header may go to ``target``.

    Yes for https to one of the ``trusted`` domains or below it, for the very origin that sent the redirect, and from
    one loopback address to another, which is how the sandbox stands for several hosts.
    """
    host = (target.raw_host or "").lower()  # as it is connected to, and not as it is shown
    if target.user is not None or target.password is not None or not is_plain_host(host):
        return False
    if target.scheme == "https":
        return target.origin() == here.origin() or any(host == d or host.endswith(f".{d}") for d in trusted)
    return target.scheme == "http" == here.scheme and is_loopback(host) and is_loopback(here.raw_host or "")


@functools.lru_cache(maxsize=64)
def account_base(named: str, api: str, trusted: tuple[str, ...]) -> str:
    """The base URL on the host that a token answer has named, or ``api`` where that one must not see the token."""
    try:
        base = checked_url("account", named.rstrip("/") + "/v2")
    except errors.ConfigurationError:
        base = ""
    if base and is_trusted(URL(base), URL(api), trusted):
        return base
    logger.warning(
        "the token answer names an API host that is not trusted, so %s is used: add its domain to Hosts(trusted=…), or "
        "leave out use_account_host",
        api,
    )
    return api
