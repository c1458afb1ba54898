"""The path of one request through a host: operation, token, scopes, rate limits, body, work, answer."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.operations.handlers import HANDLERS
from zra_async.sandbox.operations.route import Call
from zra_async.sandbox.service.answers import json_response, refusal
from zra_async.sandbox.service.paths import Paths
from zra_async.sandbox.service.table import ROWS

if TYPE_CHECKING:
    from zra_async.sandbox.faults.faults import Faults
    from zra_async.sandbox.faults.injector import FaultInjector
    from zra_async.sandbox.options import Options
    from zra_async.sandbox.service.paths import Match
    from zra_async.sandbox.service.table import Row
    from zra_async.sandbox.service.tokens import Token, Tokens
    from zra_async.sandbox.service.windows import Windows
    from zra_async.sandbox.world.account import Account

MULTIPART = frozenset({"/files", "/files/multipart"})  #: these handlers read the body themselves
logger: logging.Logger = logging.getLogger(__name__)
_decode = msgspec.json.Decoder().decode


@dataclass(slots=True, kw_only=True)
class Service:
    """State that the hosts of one sandbox share."""

    account: Account
    tokens: Tokens
    windows: Windows
    faults: Faults
    injector: FaultInjector
    operations: Counter[str] = field(default_factory=Counter[str])  #: requests by operation, ``GET /zra/deals``


class Latency:
    """The time that requests and answers spend on the way."""

    def __init__(self, options: Options) -> None:
        self.active: bool = bool(options.latency or options.jitter)
        self._latency = options.latency
        self._jitter = options.jitter
        self._chance = random.Random(options.seed)

    async def inbound(self) -> None:
        """Wait as long as a request travels."""
        if self._jitter:
            await asyncio.sleep(self._jitter * self._chance.random())

    async def outbound(self) -> None:
        """Wait as long as an answer travels."""
        await asyncio.sleep(self._latency + self._jitter * self._chance.random())


class Gateway:
    """Answers the requests of the API host or of the host that takes files in."""

    def __init__(self, service: Service, host: Literal["api", "files"]) -> None:
        options = service.account.options
        self._service = service
        self._paths = Paths(row for row in ROWS if row.host == host)
        self._latency = Latency(options)
        self._refused_token_status = options.refused_token_status
        self._header_names = options.rate_limit_headers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        if self._latency.active:
            await self._latency.inbound()
        try:
            response = await self._serve(request)
        except ApiError as error:
            response = refusal(error)
        except web.RequestPayloadError:
            response = refusal(ApiError(400, 300, "The request body is malformed."))
        except Exception as error:
            if is_gone(request, error):
                return web.Response(status=500)
            logger.exception("a handler of the sandbox failed: %s %s", request.method, request.raw_path)
            response = json_response(500, {"code": 500, "message": "The sandbox itself failed; see its log."})
        if self._latency.active and not response.prepared:
            await self._latency.outbound()
        return response

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        service = self._service
        raw_path, _, raw_query = request.raw_path.partition("?")
        match = self._paths.match(request.method, raw_path)
        row = match.row
        name = f"{row.method} {'/iq' if match.legacy else '/zra'}{row.template}"
        service.operations[name] += 1
        service.windows.stats[row.label].calls += 1
        if service.faults and (early := service.faults.take(name, early=True)):
            if not early.revoke_token:
                return await service.injector.apply(early, request, _nothing)
            service.tokens.revoke()
        token = self._authorize(request, row)
        self._admit(row)
        work = partial(self._work, request, match, token, raw_query)
        if service.faults and (fault := service.faults.take(name, early=False)):
            return await service.injector.apply(fault, request, work)
        return await work()

    async def _work(self, request: web.Request, match: Match, token: Token, raw_query: str) -> web.Response:
        row = match.row
        call = Call(
            self._service.account,
            row.method,
            row.template,
            match.values,
            dict(parse_qsl(raw_query, keep_blank_values=True)) if raw_query else {},
            await _body(request, row) if row.method != "GET" else None,
            match.legacy,
            token.user_id,
            request,
        )
        try:
            answer = await HANDLERS[row.method, row.template](call)
        except ApiError as error:  # here already, so that a fault can strike this answer too
            return refusal(error)
        return json_response(answer.status, answer.body, answer.headers)

    def _authorize(self, request: web.Request, row: Row) -> Token:
        token = self._service.tokens.find(request.headers.get("Authorization"))
        if token is None:
            if row.template.startswith("/team"):
                raise ApiError(401, 30031004, "Invalid or expired token")
            raise ApiError(self._refused_token_status, 124, "Invalid access token.")
        if row.enough.isdisjoint(token.scopes):
            wanted = row.granular if self._service.account.options.granular_scopes else row.scopes
            raise ApiError(400, 4711, f"Invalid access token, does not contain scopes:[{', '.join(wanted)}].")
        return token

    def _admit(self, row: Row) -> None:
        service = self._service
        refused = service.windows.admit(row.label, service.account.clock.time_ns())
        if refused is not None:
            raise ApiError(429, 429, refused.message, headers=refused.headers(self._header_names))


def is_gone(request: web.Request, error: Exception) -> bool:
    """Tell whether ``error`` only says that the client, or a fault, has cut the connection; no answer is sent then."""
    return isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing())


async def _body(request: web.Request, row: Row) -> Any:
    if row.template in MULTIPART or not request.body_exists:
        return None
    try:
        content = await request.read()
        return _decode(content) if content else None
    except msgspec.DecodeError:
        raise ApiError(400, 300, "The request body is not valid JSON.") from None
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, 413, "The request body is too large.") from None


async def _nothing() -> web.StreamResponse:
    raise AssertionError("a fault that strikes early never does what was asked")
