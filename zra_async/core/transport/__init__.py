"""One attempt over the network: what a transport is, its settings, and the one that uses aiohttp."""

from zra_async.core.transport.aiohttp_transport import AiohttpTransport
from zra_async.core.transport.base import StreamedResponse, Transport
from zra_async.core.transport.network import Network, Pool

__all__ = ["AiohttpTransport", "Network", "Pool", "StreamedResponse", "Transport"]
