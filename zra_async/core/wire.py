"""Both directions of the wire without any I/O: arguments → `Request`, and `Reply` → a typed answer or an error."""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from string import Formatter
from typing import Any, Protocol, SupportsIndex, TypeGuard, TypeVar
from urllib.parse import quote, unquote

import msgspec
from msgspec import field
from multidict import CIMultiDict

from zra_async import errors
from zra_async.core.decoding import Decoded, Decoder
from zra_async.core.operation import Label, Operation
from zra_async.core.retry import parse_retry_after
from zra_async.core.secret import partial_repr

R = TypeVar("R")
JSON = "application/json"
_LONGEST_TRACKING_ID = 200  # characters; those of the service have some sixty
#: a success that is longer than this is data, and is not searched for an error
_ENVELOPE_LIMIT = 8192
#: an error may name every refused record of a large import; what is longer is no answer of the service
_ERROR_LIMIT = 1024 * 1024
#: codes that a success may carry; but 0 is also what a route that does not exist answers
_SUCCESS_CODES = frozenset({0, 200, 201})
_REFUSED_TOKEN_CODES = frozenset({124, 30031004})
_MISSING_SCOPE_CODES = frozenset({4711, 4700, 104})
_UPLOAD_CONTEXT = re.compile(r"(?<=Upload context )[\w.+/=~-]{8,}")
_RATE_CODES = frozenset({429, 4001})
#: names and values of queries up to this length are few, and come again with every call; page tokens are longer
_OFTEN_SENT = 24


class Body(Protocol):
    """A request body that can be sent more than once; only the part being written needs to be in memory."""

    content_type: str
    size: int

    async def write(self, send: Callable[[bytes | memoryview], Awaitable[None]]) -> None:
        """Hand the whole body to ``send``, from its beginning, chunk by chunk."""
        ...


class Request(msgspec.Struct, frozen=True):
    """One call as it goes over the wire; every attempt sends the same bytes."""

    operation: Operation[Any]
    target: str  #: encoded path and query, from the prefix on
    body: bytes | Body | None = None
    content_type: str = JSON
    query: Mapping[str, str] = field(default_factory=dict[str, str])

    def __repr__(self) -> str:
        return partial_repr(self, "operation", "target", "content_type")


class Reply(msgspec.Struct, frozen=True):
    """One complete answer. `headers` is case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""  #: where the answer came from, without its query

    @property
    def tracking_id(self) -> str:
        """The id that Zoom's support asks for, "" without one; an overlong one is something else, such as a token."""
        given = self.headers.get("x-zm-trackingid", "")
        return given if len(given) <= _LONGEST_TRACKING_ID else ""

    def without(self, secret: str) -> Reply:
        """The same, with ``secret`` blotted out: some pages repeat the request that they refuse."""
        known, reply = secret.encode(), self
        if known in self.body:
            reply = msgspec.structs.replace(reply, body=self.body.replace(known, b"***"))
        if any(secret in value for value in self.headers.values()):
            fields = CIMultiDict((name, value.replace(secret, "***")) for name, value in self.headers.items())
            reply = msgspec.structs.replace(reply, headers=fields)
        return reply

    def __repr__(self) -> str:
        return partial_repr(self, "status", "url")

    def __reduce__(self) -> tuple[Any, ...]:
        # the headers of aiohttp are a view that cannot be pickled
        return type(self), (self.status, CIMultiDict(self.headers), self.body, self.url)


class _Envelope(msgspec.Struct):
    code: int | None = None
    message: str | None = None
    error_message: str | None = None
    errors: list[dict[str, Any]] | None = None


_NOTHING: Decoded[Any] = Decoded(None)
_ENVELOPE = Decoder(_Envelope, forgive_containers=True)
_decoders: dict[type, Decoder[Any]] = {}


# --------------------------------------------------------------------------- arguments → request


def quote_path_value(value: str) -> str:
    """Percent-encode one path value, leaving nothing as it is; a value with a slash is encoded twice.

    The service decodes the path before it routes it, so a slash that was encoded once would split the value.
    """
    once = quote(value, safe="")
    return once.replace("%", "%25") if "/" in value else once


def format_time(value: datetime) -> str:
    """An aware datetime as the service takes it: UTC, whole seconds, ``Z``."""
    if value.tzinfo is None or value.utcoffset() is None:
        raise errors.InvalidArgument("a time must be an aware datetime: add a tzinfo, for example datetime.UTC")
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def query_text(value: object) -> str:
    """One query value as text: booleans in lower case, times in UTC, several values separated by commas.

    Raises `InvalidArgument` for what is no text, number, flag, time, or list of these.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, (list, tuple)):
        return ",".join(query_text(v) for v in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    plain = value.value if isinstance(value, Enum) else value
    if isinstance(plain, (str, int, date)) or (isinstance(plain, (float, Decimal)) and math.isfinite(plain)):
        return str(plain)
    if isinstance(plain, SupportsIndex) and not isinstance(plain, type):
        return str(operator.index(plain))  # a whole number of another library
    raise errors.InvalidArgument(f"a query value must be a text, number, flag or time, not {_kind(value)}")


def _kind(value: object) -> str:
    return str(value) if isinstance(value, (float, Decimal)) else type(value).__name__


def encode(
    operation: Operation[Any],
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, object] | None = None,
    body: object = None,
) -> Request:
    """Build the request of one call. A query value of None is left out.

    ``body`` becomes JSON, unless it is a `Body`, or bytes that are taken for JSON as they are.
    """
    target = f"/{operation.prefix}{_route(operation, _named_values('path', path))}"
    if not query and body is None:
        return Request(operation, target)
    try:
        texts = {name: query_text(value) for name, value in _named_values("query", query).items() if value is not None}
        if texts:
            target += "?" + "&".join([f"{_quoted(name)}={_quoted(text)}" for name, text in texts.items()])
        if body is None:
            return Request(operation, target, query=texts)
        if isinstance(body, (bytes, bytearray, memoryview)):
            return Request(operation, target, bytes(body), JSON, texts)  # pyright: ignore[reportUnknownArgumentType]
        if is_body(body):
            return Request(operation, target, body, body.content_type, texts)
        return Request(operation, target, _json(body), JSON, texts)
    except UnicodeEncodeError:
        raise errors.InvalidArgument(f"{operation.name}: a text holds a lone surrogate, which is not text") from None
    except errors.InvalidArgument:
        raise
    except (TypeError, ValueError, OverflowError) as problem:
        raise errors.InvalidArgument(f"{operation.name}: a value cannot be sent: {problem}") from None


def is_body(value: object) -> TypeGuard[Body]:
    """Tell a `Body` from a file object, which can write as well, but cannot be sent twice and has no type."""
    return all(hasattr(value, name) for name in ("size", "content_type", "write"))


def _named_values(what: str, values: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise errors.InvalidArgument(f"{what} must be a mapping of names to values, not {type(values).__name__}")
    return values


def _json(body: object) -> bytes:
    text = msgspec.json.encode(body, enc_hook=_plain)
    # msgspec writes null for a number that is none: the rare body with a null in it is looked through
    if b"null" in text and _has_no_number(msgspec.to_builtins(body, enc_hook=_plain)):
        raise ValueError("NaN and the infinities are no JSON")
    return text


def _has_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_has_no_number(inner) for inner in value.values())  # pyright: ignore[reportUnknownVariableType]
    return isinstance(value, (list, tuple)) and any(_has_no_number(inner) for inner in value)  # pyright: ignore[reportUnknownVariableType]


def _quoted(text: str) -> str:
    return _quoted_again(text) if len(text) <= _OFTEN_SENT else quote(text, safe="")


@functools.lru_cache(maxsize=512)
def _quoted_again(text: str) -> str:
    return quote(text, safe="")


def _plain(value: object) -> str:
    """Encode what msgspec does not know: a subclass of str, such as a `Secret`."""
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "read") or hasattr(value, "write"):
        raise TypeError("a file object cannot be sent: give bytes, or upload it with zra.files")
    raise TypeError(f"objects of type {type(value).__name__} are no JSON")


def _route(operation: Operation[Any], path: Mapping[str, str]) -> str:
    literals, names = _template(operation.path)
    if path.keys() - names or len(path) < len(names):
        raise _wrong_names(operation, names, path)
    route = literals[0]
    for name, literal in zip(names, literals[1:], strict=True):
        route += _path_text(name, path[name]) + literal
    return route


@functools.cache
def _template(path: str) -> tuple[Sequence[str], Sequence[str]]:
    """The texts of a path around its values, and the names of these."""
    pieces = list(Formatter().parse(path))
    names = [name for _, name, _, _ in pieces if name]
    literals = [text for text, _, _, _ in pieces]
    return literals if len(literals) > len(names) else [*literals, ""], names


def _wrong_names(operation: Operation[Any], names: Sequence[str], path: Mapping[str, object]) -> errors.InvalidArgument:
    if missing := set(names) - path.keys():
        return errors.InvalidArgument(f"{operation.name}: {', '.join(sorted(missing))} is missing in path")
    unknown = path.keys() - set(names)
    return errors.InvalidArgument(f"{operation.name}: its path has no {', '.join(sorted(unknown))}")


def _path_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise errors.InvalidArgument(f"{name} must be a text, not {type(value).__name__}")
    return _quoted_id(name, value)


@functools.lru_cache(maxsize=1024)
def _quoted_id(name: str, value: str) -> str:
    """An identifier, checked and quoted; most of them are used for several calls in a row."""
    if not value.strip():
        raise errors.InvalidArgument(f"{name} must not be empty")
    if _leads_away(value):
        raise errors.InvalidArgument(f"{name} must not be or hold '.' or '..' as a step: it could change the path")
    try:
        return quote_path_value(value)
    except UnicodeEncodeError:
        raise errors.InvalidArgument(f"{name} holds a lone surrogate, which is not text") from None


def _leads_away(value: str) -> bool:
    """Return True if a path with this value could lead elsewhere when decoded once more than it was encoded."""
    if "." not in value and "%" not in value:
        return False
    steps = unquote(unquote(value)).replace("\\", "/").split("/")
    return any(step.partition(";")[0] in {".", ".."} for step in steps)


# --------------------------------------------------------------------------- reply → answer or error


def decode(operation: Operation[R], reply: Reply) -> R:
    """Decode a successful reply into the operation's result. Raises `UnexpectedAnswer` where `read` does."""
    return read(operation, reply).value


def read(operation: Operation[R], reply: Reply) -> Decoded[R]:
    """Decode a successful reply, and name the fields that could not be read.

    The value is None where the operation has no result. Raises `UnexpectedAnswer` for what is not JSON, and for an
    answer of which more than single fields of items cannot be read: a list that is none, an item that is none, a
    field that is `Model.ESSENTIAL`.
    """
    if operation.result is type(None):
        return _NOTHING
    decoder = _decoders.get(operation.result)
    if decoder is None:
        decoder = _decoders[operation.result] = Decoder(operation.result)
    try:
        return decoder.read(reply.body, reply.headers.get("Content-Type", ""))
    except ValueError as problem:
        text = f"the answer is not the JSON that was expected: {problem}"
        raise errors.UnexpectedAnswer(
            operation.name, text, status=reply.status, tracking_id=reply.tracking_id
        ) from None


def failure(
    operation: Operation[Any], reply: Reply, *, authorization: str = "", now: datetime | None = None
) -> errors.CallError | None:
    """The error that a reply stands for, or None for a success.

    Decides on the HTTP status first, then on the service's code; a 2xx answer with an error inside is an error, in
    which the token of ``authorization`` does not show.
    """
    if 200 <= reply.status < 300:
        if len(reply.body) > _ENVELOPE_LIMIT or b'"code"' not in reply.body:
            return None
        if authorization:
            reply = reply.without(authorization.partition(" ")[2])
        envelope = _envelope(reply.body)
        message = envelope.message or envelope.error_message
        if envelope.code is None or not message:
            return None
        if envelope.code in _SUCCESS_CODES and (envelope.code or "not found" not in message.casefold()):
            return None
    elif reply.status < 400:
        text = "an answer that this client cannot follow"
        return errors.UnexpectedAnswer(operation.name, text, status=reply.status, tracking_id=reply.tracking_id)
    else:
        envelope = _envelope(reply.body)
    return _error(operation, reply, envelope, now or datetime.now(UTC))


def _envelope(body: bytes) -> _Envelope:
    try:
        return _ENVELOPE.decode(body[:_ERROR_LIMIT])
    except ValueError:
        return _Envelope(message=body[:200].decode("utf-8", "replace"))


def _error(operation: Operation[Any], reply: Reply, envelope: _Envelope, now: datetime) -> errors.CallError:
    code = envelope.code
    # an upload context lets its holder add to an upload: the service repeats it, an error must not
    message = _UPLOAD_CONTEXT.sub("…", envelope.message or envelope.error_message or "")
    details: dict[str, Any] = {
        "status": reply.status,
        "code": code,
        "message": message,
        "tracking_id": reply.tracking_id,
        "errors": [dict(e) for e in envelope.errors or ()],
    }
    status = reply.status if reply.status >= 400 else _STATUS_OF_CODE.get(code or 0, 400)
    resets_at = parse_retry_after(reply.headers.get("Retry-After"), now)
    if status == 429 or (status == 400 and code in _RATE_CODES):
        kind = limit_kind(operation, reply.headers, message)
        return errors.RateLimited(operation.name, kind=kind, resets_at=resets_at, **details)
    scopes = _scopes_in(message)
    if scopes or code in _MISSING_SCOPE_CODES:
        return errors.MissingScopes(operation.name, scopes=scopes or operation.scopes, **details)
    if status == 401 or (status == 400 and code in _REFUSED_TOKEN_CODES):
        return errors.AuthenticationFailed(operation.name, **details)
    if status == 400 and code == 300 and "page token" in message:
        return errors.PageTokenExpired(operation.name, **details)
    error_type = errors.ServerError if status >= 500 else _ERROR_OF_STATUS.get(status, errors.APIError)
    error = error_type(operation.name, **details)
    error.resets_at = resets_at
    return error


_STATUS_OF_CODE = {0: 404, 124: 401, 30031004: 401, 429: 429, 4001: 429, 1004: 403, 5001: 403, 1005: 404, 5011: 404}
_ERROR_OF_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.BadRequest,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.PayloadTooLarge,
}


def limit_kind(operation: Operation[Any], headers: Mapping[str, str], message: str) -> errors.LimitKind:
    """Return the kind of limit that a 429 names: by its header first, then by its words."""
    header = headers.get("X-RateLimit-Type", "").casefold()
    words = message.casefold()
    if "daily" in header or ("daily" in words and not header):
        return "daily"
    if "concurrent" in words:
        return "concurrent"
    if header == "qps" or "per-second" in words or "per second" in words or "per-minute" in words:
        return "per_minute" if operation.label is Label.RESOURCE_INTENSIVE else "per_second"
    return "unknown"


def _scopes_in(message: str) -> Sequence[str]:
    found = re.search(r"does not contain scopes?:?\s*\[([^\]]*)\]", message)
    return tuple(s.strip() for s in found.group(1).split(",") if s.strip()) if found else ()
