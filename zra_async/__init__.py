"""The asyncio-native client of the Zoom Revenue Accelerator API.

    async with ZRAClient.from_env() as zra:
        async for conversation in zra.conversations.list():
            print(conversation.conversation_topic)

Start with `ZRAClient`: its namespaces, such as ``zra.deals``, have a method for each operation. `zra_async.errors`
shows the tree of errors, `zra_async.models` has the structures of answers, `zra_async.bulk` the reports of exports and
imports, `zra_async.webhooks` the receiver of webhooks, `zra_async.sandbox` an account to try everything on, and
`zra_async.testing` pytest fixtures.

The parts import each other in one direction only, from left to right:

    cli → client → bulk → files → api → core → errors, osfiles, results

    client    the composition root (with caller, session and config): one property per namespace
    api       the operations: arguments, checks, structures; a new operation goes to the package of its resource
    core      one call: limits, authentication, transport, retries, decoding, events
    files     uploads and downloads of any size
    bulk      exports, ingests and CRM imports
    osfiles   threads, locks and atomic replacement of files
    results   data that both errors and jobs carry
    sandbox   the other side of the wire: it shares nothing but the structures of the api
"""

import importlib
import logging
from typing import TYPE_CHECKING

from zra_async.client import ZRAClient
from zra_async.config import (
    GOVERNMENT,
    ClientConfig,
    ClientOptions,
    Hosts,
    Transfers,
)
from zra_async.core.auth import (
    Auth,
    AuthContext,
    AuthorizationCode,
    CachedToken,
    ServerToServer,
    StaticToken,
    Token,
    TokenSource,
    UserOAuth,
)
from zra_async.core.auth.stores import (
    FileTokenStore,
    GrantStore,
    MemoryTokenStore,
    StoredGrant,
    TokenStore,
)
from zra_async.core.events import (
    AttemptDone,
    CallDone,
    Event,
    FieldsDropped,
    JobProgress,
    LimitWaited,
    Observer,
    PartDone,
    Redirected,
    Retrying,
    SharedLimitsLost,
    SharedLimitsRestored,
    TokenFetched,
    TokenRefused,
    collect_calls,
)
from zra_async.core.limits import (
    Lane,
    LimitState,
    LocalRateLimiter,
    Permit,
    Plan,
    Rate,
    RateLimiter,
    SharedLimiter,
)
from zra_async.core.operation import (
    Host,
    Label,
    ListOperation,
    Operation,
)
from zra_async.core.pages import (
    Page,
    Pages,
)
from zra_async.core.retry import (
    RetryPolicy,
)
from zra_async.core.secret import Secret
from zra_async.core.transport import (
    Network,
    Pool,
    StreamedResponse,
    Transport,
)
from zra_async.core.wire import (
    Reply,
    Request,
)
from zra_async.errors import (
    AmbiguousWrite,
    AnswerTooLarge,
    APIError,
    AttemptTimeout,
    AuthenticationFailed,
    BadRequest,
    CallError,
    ClientNotOpen,
    ConfigurationError,
    Conflict,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    DownloadInterrupted,
    ExportIncomplete,
    InUse,
    InvalidArgument,
    JournalError,
    LedgerError,
    LinkRefused,
    MissingScopes,
    NoRecording,
    NotFound,
    PageTokenExpired,
    PageTokenRepeated,
    PartlyDone,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    RedirectedWrite,
    ServerError,
    SourceChanged,
    SourceError,
    StagesNotRegistered,
    StrayCancellation,
    TargetExists,
    TokenError,
    TransportError,
    UnexpectedAnswer,
    UnsafeRedirect,
    UploadInterrupted,
    UploadUncertain,
    WebhookRefused,
    WrongLoop,
    ZRAError,
)

if TYPE_CHECKING:
    from zra_async.accounts import Accounts
    from zra_async.api.registry import OPERATIONS
    from zra_async.webhooks import WebhookEvent, WebhookReceiver
else:
    #: a client does without these, and imports faster
    _WHEN_ASKED_FOR = {
        "Accounts": "zra_async.accounts",
        "OPERATIONS": "zra_async.api.registry",
        "WebhookEvent": "zra_async.webhooks",
        "WebhookReceiver": "zra_async.webhooks",
    }

    def __getattr__(name: str) -> object:
        """Import what few programs need when it is first asked for."""
        if name in _WHEN_ASKED_FOR:
            return getattr(importlib.import_module(_WHEN_ASKED_FOR[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# where and how much is logged is the program's choice: without one, Python would print to stderr
logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = "0.1.0"

__all__ = [
    "GOVERNMENT",
    "OPERATIONS",
    "APIError",
    "Accounts",
    "AmbiguousWrite",
    "AnswerTooLarge",
    "AttemptDone",
    "AttemptTimeout",
    "Auth",
    "AuthContext",
    "AuthenticationFailed",
    "AuthorizationCode",
    "BadRequest",
    "CachedToken",
    "CallDone",
    "CallError",
    "ClientConfig",
    "ClientNotOpen",
    "ClientOptions",
    "ConfigurationError",
    "Conflict",
    "ConnectFailed",
    "ConnectionLost",
    "DeadlineExceeded",
    "DownloadInterrupted",
    "Event",
    "ExportIncomplete",
    "FieldsDropped",
    "FileTokenStore",
    "GrantStore",
    "Host",
    "Hosts",
    "InUse",
    "InvalidArgument",
    "JobProgress",
    "JournalError",
    "Label",
    "Lane",
    "LedgerError",
    "LimitState",
    "LimitWaited",
    "LinkRefused",
    "ListOperation",
    "LocalRateLimiter",
    "MemoryTokenStore",
    "MissingScopes",
    "Network",
    "NoRecording",
    "NotFound",
    "Observer",
    "Operation",
    "Page",
    "PageTokenExpired",
    "PageTokenRepeated",
    "Pages",
    "PartDone",
    "PartlyDone",
    "PayloadTooLarge",
    "PermissionDenied",
    "Permit",
    "Plan",
    "Pool",
    "Rate",
    "RateLimited",
    "RateLimiter",
    "Redirected",
    "RedirectedWrite",
    "Reply",
    "Request",
    "RetryPolicy",
    "Retrying",
    "Secret",
    "ServerError",
    "ServerToServer",
    "SharedLimiter",
    "SharedLimitsLost",
    "SharedLimitsRestored",
    "SourceChanged",
    "SourceError",
    "StagesNotRegistered",
    "StaticToken",
    "StoredGrant",
    "StrayCancellation",
    "StreamedResponse",
    "TargetExists",
    "Token",
    "TokenError",
    "TokenFetched",
    "TokenRefused",
    "TokenSource",
    "TokenStore",
    "Transfers",
    "Transport",
    "TransportError",
    "UnexpectedAnswer",
    "UnsafeRedirect",
    "UploadInterrupted",
    "UploadUncertain",
    "UserOAuth",
    "WebhookEvent",
    "WebhookReceiver",
    "WebhookRefused",
    "WrongLoop",
    "ZRAClient",
    "ZRAError",
    "__version__",
    "collect_calls",
]
