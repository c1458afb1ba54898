"""Addresses: what they show of themselves, which are well formed, and which stay on this machine."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from yarl import URL

from zra_async.errors import ConfigurationError

#: what a host name in an address may hold; anything else is read differently by different programs
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.IGNORECASE)


class Address:
    """A parsed address, taken as it is. Its ``repr`` ends with the host: the rest may be the key to a recording."""

    __slots__ = ("url",)

    def __init__(self, address: str | URL) -> None:
        self.url: URL = URL(address, encoded=True) if isinstance(address, str) else address

    @property
    def host(self) -> str:
        """The host as it is connected to, "" without one."""
        return self.url.raw_host or ""

    @property
    def place(self) -> str:
        """Scheme and host, for people."""
        return f"{self.url.scheme}://{self.host}"

    def join(self, location: str) -> Address:
        """Return the target of a ``location`` relative to this address. Raises ValueError."""
        return Address(self.url.join(URL(location, encoded=True)).with_fragment(None))

    def __repr__(self) -> str:
        return f"Address({self.place!r})"


def checked_url(name: str, url: str) -> str:
    """A base URL without a slash at its end: https, or http on this machine. Raises `ConfigurationError`."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and is_plain_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        raise ConfigurationError(f"the {name} URL must look like https://host/path") from None
    if parts.username is not None:
        raise ConfigurationError(f"the {name} URL must not hold a user or a password")
    if not valid or parts.query or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"the {name} URL must look like https://host/path, not {url!r}")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigurationError(f"the {name} URL must be https: over http the token could be read on its way")
    return url.rstrip("/")


def is_plain_host(host: str) -> bool:
    """Return True if every program reads this host in the same way."""
    return _HOST.fullmatch(host) is not None


def is_loopback(host: str) -> bool:
    """Return True if ``host`` is this machine."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
