"""The asyncio-native client of the Zoom Revenue Accelerator API.

    async with ZRAClient.from_env() as zra:
        async for conversation in zra.conversations.list():
            print(conversation.conversation_topic)

Begin with `ZRAClient`; its namespaces, such as ``zra.deals``, hold a method for each operation. `zra_async.errors`
draws the tree of what is raised, `zra_async.models` holds the answers, `zra_async.bulk` the reports of exports and
imports, `zra_async.webhooks` receives, `zra_async.sandbox` serves an account to try it all on, and `zra_async.testing`
has pytest fixtures.
"""

import logging
from typing import TYPE_CHECKING

from zra_async.client import ZRAClient
from zra_async.config import GOVERNMENT, ClientConfig, Hosts
from zra_async.core.auth import Auth, AuthorizationCode, ServerToServer, StaticToken, UserOAuth
from zra_async.core.limits import Lane, LimitState, LocalRateLimiter, Plan, Rate, RateLimiter
from zra_async.core.operation import Label, ListOperation, Operation
from zra_async.core.pages import Page, Pages
from zra_async.core.retry import RetryPolicy
from zra_async.core.tokenstore import FileTokenStore, MemoryTokenStore, TokenStore
from zra_async.core.transport import Network, Pool
from zra_async.core.wire import Reply

if TYPE_CHECKING:
    from zra_async.api.registry import OPERATIONS
else:

    def __getattr__(name: str) -> object:
        """Make the table of all operations when it is first asked for: a client does without, and imports faster."""
        if name == "OPERATIONS":
            from zra_async.api.registry import OPERATIONS

            return OPERATIONS
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# where and how much is logged is the program's choice: without one, Python would print to stderr
logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = "0.1.0"

__all__ = [
    "GOVERNMENT",
    "OPERATIONS",
    "Auth",
    "AuthorizationCode",
    "ClientConfig",
    "FileTokenStore",
    "Hosts",
    "Label",
    "Lane",
    "LimitState",
    "ListOperation",
    "LocalRateLimiter",
    "MemoryTokenStore",
    "Network",
    "Operation",
    "Page",
    "Pages",
    "Plan",
    "Pool",
    "Rate",
    "RateLimiter",
    "Reply",
    "RetryPolicy",
    "ServerToServer",
    "StaticToken",
    "TokenStore",
    "UserOAuth",
    "ZRAClient",
    "__version__",
]
