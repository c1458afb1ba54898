"""The settings of the network: pools, proxy, TLS, and what an answer may weigh."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import aiohttp
import msgspec
from msgspec import field

from zra_async import errors
from zra_async.core.secret import hidden, partial_repr
from zra_async.core.transport.proxies import check_proxy


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """The connections to one host. Times are in seconds.

    `connections` is how many may be open at once; `connect_timeout` bounds the wait for one, from the pool or new;
    `read_timeout` is the longest silence of the service: while it receives a file, and while its answer is awaited or
    read.
    """

    connections: int = 100
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    keepalive_timeout: float = 15.0

    def __post_init__(self) -> None:
        if self.connections < 1 or min(self.connect_timeout, self.read_timeout, self.keepalive_timeout) <= 0:
            raise errors.ConfigurationError("a pool needs at least one connection, and its timeouts must be positive")


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """The way to the network.

    A `connector` of your own serves both pools, stays yours to close, and leaves their `connections` and `ssl` to you.
    `proxy` is ``http://host:port`` or ``https://host:port``, with ``user:password@`` before the host where the proxy
    asks for them; a character such as ``@`` or ``/`` in them is percent-encoded. `trust_env` takes the proxy from
    ``HTTPS_PROXY`` (``HTTP_PROXY`` for http) and ``NO_PROXY`` instead. `trace_configs` are passed to aiohttp as they
    are. `max_answer_bytes` bounds an answer that is read as a whole.
    """

    api: Pool = field(default_factory=Pool)
    file: Pool = field(default_factory=lambda: Pool(connections=32, read_timeout=120.0))
    connector: aiohttp.BaseConnector | None = None
    proxy: str | None = None
    ssl: ssl.SSLContext | bool = True
    trust_env: bool = False
    trace_configs: Sequence[aiohttp.TraceConfig] = ()
    max_answer_bytes: int = 16 * 1024 * 1024  #: decoded it may take sixty times as much memory
    user_agent: str = ""

    def __post_init__(self) -> None:
        if self.connector is not None and self.ssl is not True:
            raise errors.ConfigurationError("a connector of your own brings its own ssl: give ssl to the connector")
        if not self.user_agent.isprintable():
            raise errors.ConfigurationError("user_agent must be one line of printable text: it becomes a header")
        if self.proxy is not None:
            proxy = hidden(self.proxy)
            msgspec.structs.force_setattr(self, "proxy", proxy)  # the frames of an error show it otherwise
            check_proxy("Network(proxy=…)", proxy)

    def __repr__(self) -> str:
        return partial_repr(self, *(name for name in self.__struct_fields__ if name != "proxy"))
