"""Where a redirect may lead: https hosts at or below the trusted domains, or back to where it came from."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any

from yarl import URL

from zra_async import errors
from zra_async.core.address import Address, checked_url, is_loopback, is_plain_host
from zra_async.core.operation import Operation
from zra_async.core.secret import Secret
from zra_async.core.wire import Reply

logger: logging.Logger = logging.getLogger("zra_async")
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_HOPS = 5


class Route:
    """The way of one attempt over redirects: where it started, where it is, and where it has been."""

    __slots__ = ("_seen", "_trusted", "url")

    def __init__(self, url: str, trusted: Sequence[str]) -> None:
        self.url: str = url
        self._trusted = trusted
        self._seen = [url]

    def follow(self, operation: Operation[Any], reply: Reply) -> str:
        """Move to the target of a redirect and return its host; raises `UnsafeRedirect` where that is not safe."""
        here = Address(self.url)
        target = _target(here, Secret(reply.headers.get("Location", "")))
        if target is None:
            raise errors.UnsafeRedirect(operation.name, "a redirect without a usable Location")
        if not is_trusted(target.url, here.url, self._trusted):
            raise errors.UnsafeRedirect(
                operation.name,
                f"redirected to {target.place}, which is not a trusted https host; nothing was sent there",
            )
        url = Secret(target.url)  # it may carry a signature
        if url in self._seen or len(self._seen) > MOST_HOPS:
            raise errors.UnsafeRedirect(operation.name, f"redirected in a circle, or more than {MOST_HOPS} times")
        self._seen.append(url)
        self.url = url
        return target.host


def _target(here: Address, location: str) -> Address | None:
    try:
        target = here.join(location)
        return target if location and target.host else None  # yarl looks at the port no earlier than here
    except ValueError:
        return None


def is_trusted(target: URL, here: URL, trusted: Sequence[str]) -> bool:
    """Whether the Authorization header may go to ``target``.

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
