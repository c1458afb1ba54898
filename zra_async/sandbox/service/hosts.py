"""The hosts besides the API: the token endpoint, the public file host that forwards, and the downloads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from aiohttp import web

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.faults.faults import DOWNLOAD, TOKEN
from zra_async.sandbox.service.answers import json_response, refusal, tracking_id
from zra_async.sandbox.service.dispatch import Latency, Service, is_gone
from zra_async.sandbox.service.paths import Paths
from zra_async.sandbox.service.table import ROWS
from zra_async.sandbox.service.tokens import TokenError

Work = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TokenHost:
    """Answers ``POST /oauth/token``."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._latency = Latency(service.account.options)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        if request.path != "/oauth/token":
            return refusal(ApiError(404, 0, "404 Route Not Found"))
        if request.method != "POST":
            return refusal(ApiError(405, 0, f"405 Method {request.method} Not Allowed", headers={"Allow": "POST"}))
        await self._latency.inbound()
        self._service.operations[TOKEN] += 1
        response = await strike_or_work(self._service, TOKEN, request, lambda: self._grant(request))
        if self._latency.active and not response.prepared:
            await self._latency.outbound()
        return response

    async def _grant(self, request: web.Request) -> web.Response:
        try:
            content = (await request.read()).decode("utf-8", "replace")
            form = dict(request.query) | dict(parse_qsl(content, keep_blank_values=True))
            return json_response(200, self._service.tokens.grant(request.headers.get("Authorization"), form))
        except TokenError as error:
            return json_response(error.status, {"reason": error.reason, "error": error.error})
        except web.RequestPayloadError:
            return json_response(400, {"reason": "Bad Request", "error": "invalid_request"})


class Forwarder:
    """The public file host: sends every request to the host that takes the bytes."""

    def __init__(self, service: Service) -> None:
        self._status = service.account.options.redirect_status
        self._latency = Latency(service.account.options)
        self._paths = Paths(row for row in ROWS if row.host == "files")
        self.target = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Forward one request to the same path of `target`; its body is not looked at."""
        raw_path = request.raw_path
        if self._latency.active:
            await self._latency.inbound()
            await self._latency.outbound()
        try:
            self._paths.match(request.method, raw_path.partition("?")[0])
        except ApiError as error:
            return refusal(error)
        headers = {"Location": self.target + raw_path, "x-zm-trackingid": tracking_id()}
        return web.Response(status=self._status, headers=headers)


def downloads(service: Service) -> list[web.RouteDef]:
    """The routes of the recordings, within reach of faults."""

    def reachable(handler: Work) -> Work:
        async def download(request: web.Request) -> web.StreamResponse:
            service.operations[DOWNLOAD] += 1
            return await strike_or_work(service, DOWNLOAD, request, lambda: handler(request))

        return download

    return [web.RouteDef(r.method, r.path, reachable(r.handler), r.kwargs) for r in service.account.files.routes()]


async def strike_or_work(
    service: Service, name: str, request: web.Request, work: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Do ``work``, or what a fault armed for ``name`` makes of it."""
    fault = service.faults.take(name, early=True) or service.faults.take(name, early=False)
    if fault is not None and fault.revoke_token:
        service.tokens.revoke()
    try:
        return await (work() if fault is None else service.injector.apply(fault, request, work))
    except ConnectionError as error:
        if is_gone(request, error):
            return web.Response(status=500)
        raise
