"""A file host with nothing around it, and what is sent to it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.clock import Clock
from zra_async.sandbox.operations.route import HANDLERS, Call
from zra_async.sandbox.options import Options
from zra_async.sandbox.world.file_store import Files

VIDEO = b"\x00\x01moving pictures\r\n--almost a boundary\r\n" * 50


class Host:
    """A file host with nothing around it: no redirects, no tokens."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock(datetime(2026, 1, 5, tzinfo=UTC), frozen=True)
        self.files = Files(Options(**options), self.clock)
        self.user = SimpleNamespace(licensed=True)
        self.client: TestClient[web.Request, web.Application]

    async def serve(self, request: web.Request) -> web.Response:
        account: Any = SimpleNamespace(files=self.files, world=SimpleNamespace(user=lambda _: self.user))
        template = request.path
        body = await request.json() if request.content_type == "application/json" else None
        call = Call(account, "POST", template, {}, request.query, body, False, "user", request)
        try:
            answer = await HANDLERS["POST", template](call)
        except ApiError as error:
            return web.json_response({"code": error.code, "message": error.message}, status=error.status)
        return web.json_response(answer.body, status=answer.status)

    async def post(self, path: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
        async with self.client.post(path, **arguments) as response:
            return response.status, await response.json()

    async def single(self, name: str, data: bytes = VIDEO, **fields: str) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData(fields)
        form.add_field("file", io.BytesIO(data), filename=name)
        return await self.post("/files", data=form)

    async def event(self, method: str, **params: Any) -> tuple[int, dict[str, Any]]:
        return await self.post("/files/multipart/upload_events", json={"method": method, "params": params})

    async def create(self, name: str = "call.mp4", **params: Any) -> str:
        status, body = await self.event("CreateMultipartUpload", file_name=name, **params)
        assert status == 201, body
        return body["upload_context"]

    async def part(self, context: str, number: object, data: bytes) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData({"upload_context": context, "part_number": str(number)})
        form.add_field("file", io.BytesIO(data), filename="blob")
        return await self.post("/files/multipart", data=form)

    async def etag(self, context: str, number: int, data: bytes) -> dict[str, Any]:
        status, body = await self.part(context, number, data)
        assert status == 201, body
        return body["part_number_etag"]

    async def complete(self, context: str, etags: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        return await self.event("CompleteMultipartUpload", upload_context=context, part_number_etags=etags)


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Host]:
    """Serve a host on loopback."""
    host = Host(**options)
    app = web.Application()
    app.router.add_routes(host.files.routes())
    app.router.add_post("/{tail:.*}", host.serve)
    async with TestClient(TestServer(app)) as client:
        host.client = client
        yield host
    await host.files.close()
