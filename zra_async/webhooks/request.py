"""The headers and the body of a webhook's request, in whatever form a web framework gives them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from zra_async.errors import InvalidArgument, WebhookRefused

STAMP, SIGNATURE = "x-zm-request-timestamp", "x-zm-signature"

#: the headers of a request as frameworks have them: a mapping, pairs of texts or bytes, an ASGI scope
Headers = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
#: the raw body of a request
Body = bytes | bytearray | memoryview | str


def raw_body(body: object) -> bytes:
    """Return the bytes that were signed. Raises `InvalidArgument` for what is not the raw body."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(body, str):
        try:
            return body.encode()
        except UnicodeEncodeError:
            raise WebhookRefused("the body cannot have been signed: it has no UTF-8 form") from None
    if inspect.isawaitable(body):
        if inspect.iscoroutine(body):
            body.close()
        raise InvalidArgument("body must be the raw body: await it, as in `await request.body()`")
    raise InvalidArgument(
        f"body must be the raw body as bytes or text, not {type(body).__name__}: the signature covers its bytes, "
        "which are lost when the body is parsed"
    )


def header(pairs: Iterable[tuple[str, str]], name: str) -> str:
    """Return the value of a header, "" where it is missing."""
    found = {value.strip() for given, value in pairs if given == name}
    if len(found) > 1:
        raise WebhookRefused(f"the request has several {name}")
    return found.pop() if found else ""


def header_pairs(headers: Any) -> Iterator[tuple[str, str]]:
    """Yield the headers of the signature, named in lower case, with each of their values.

    ``headers`` is a mapping, pairs, an ASGI scope or a WSGI environment. Raises `InvalidArgument` for anything else.
    """
    kind = cast("type[object]", type(headers))
    given = headers
    if issubclass(kind, Mapping) and type(headers.get("headers")) in (list, tuple):
        given = headers["headers"]  # an ASGI scope
    elif callable(getattr(headers, "items", None)):
        given = headers.items()
    if issubclass(kind, (str, bytes)) or not hasattr(given, "__iter__"):
        raise InvalidArgument(f"headers must be a mapping or pairs, not {kind.__name__}")
    for pair in given:
        if type(pair) not in (tuple, list) or len(pair) != 2:
            raise InvalidArgument("headers must be a mapping or pairs of a name and a value")
        name, value = pair
        plain = _text(name).lower().replace("_", "-").removeprefix("http-")
        if plain in (STAMP, SIGNATURE):
            yield from ((plain, _text(one)) for one in (value if type(value) in (list, tuple) else (value,)))


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)
