"""Answers as HTTP responses: JSON bodies, and a tracing header on every one."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zra_async.sandbox.api_error import ApiError

JSON = "application/json;charset=UTF-8"
_serial = count(1)
_encode = msgspec.json.Encoder().encode


def tracking_id() -> str:
    """A new value for the ``x-zm-trackingid`` header."""
    return f"v=2.0;clid=sandbox;rid=WEB_{next(_serial):032x}"


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response with ``body`` as JSON, or without a body where it is None."""
    fields = {"x-zm-trackingid": tracking_id()}
    if headers:
        fields.update(headers)
    if body is None:
        return web.Response(status=status, headers=fields)
    fields["Content-Type"] = JSON
    return web.Response(status=status, body=_encode(body), headers=fields)


def refusal(error: ApiError) -> web.Response:
    """The response that tells a client of ``error``."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.errors:
        body["errors"] = error.errors
    return json_response(error.status, body, error.headers)
