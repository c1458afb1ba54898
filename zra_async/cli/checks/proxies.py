"""The proxy that the environment names, and which hosts are reached without it."""

from __future__ import annotations

from yarl import URL

from zra_async.config import Hosts
from zra_async.core.address import is_loopback
from zra_async.core.transport import Network
from zra_async.core.transport.proxies import environment_proxy


def proxy_of(url: str) -> str:
    """Return the proxy for a URL, "" where it is reached directly. Raises `ConfigurationError` for a wrong one."""
    target = URL(url)
    return "" if is_loopback(target.raw_host or "") else environment_proxy(target) or ""


def network_for(hosts: Hosts) -> Network:
    """Return a network that uses the environment's proxy. Raises `ConfigurationError` for one that cannot be used.

    An account on this machine, such as that of ``zra sandbox``, is always reached directly.
    """
    urls = [url for url in (hosts.api, hosts.file, hosts.token) if url]
    proxies = [proxy_of(url) for url in urls]  # all of them, so that each is checked
    return Network(trust_env=any(proxies))
