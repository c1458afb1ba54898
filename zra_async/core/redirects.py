"""Where a redirect may lead: https hosts at or below the trusted domains, or back to where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yarl import URL

from zra_async import errors
from zra_async.core.address import is_loopback, is_plain_host
from zra_async.core.operation import Operation
from zra_async.core.wire import Reply

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_HOPS = 5


class Route:
    """The way of one attempt over redirects: where it started, where it is, and where it has been."""

    __slots__ = ("_seen", "_trusted", "url")

    def __init__(self, url: str, trusted: Sequence[str]) -> None:
        self.url = url
        self._trusted = trusted
        self._seen = [url]

    def follow(self, operation: Operation[Any], reply: Reply) -> str:
        """Move to the target of a redirect and return its host; raises `UnsafeRedirect` where that is not safe."""
        location = reply.headers.get("Location", "")
        try:
            here = URL(self.url, encoded=True)
            target = here.join(URL(location, encoded=True)).with_fragment(None)
            host = target.raw_host or ""
        except ValueError:
            raise errors.UnsafeRedirect(operation.name, "a redirect without a usable Location") from None
        if not location or not host:
            raise errors.UnsafeRedirect(operation.name, "a redirect without a usable Location")
        if not is_trusted(target, here, self._trusted):
            raise errors.UnsafeRedirect(
                operation.name,
                f"redirected to {target.scheme}://{host}, which is not a trusted https host; nothing was sent there",
            )
        url = str(target)
        if url in self._seen or len(self._seen) > MOST_HOPS:
            raise errors.UnsafeRedirect(operation.name, f"redirected in a circle, or more than {MOST_HOPS} times")
        self._seen.append(url)
        self.url = url
        return host


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
