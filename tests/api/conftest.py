"""A client that goes no further than the wire: it encodes every call for real and answers with an example."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from zra_async.core import wire
from zra_async.core.operation import ListOperation, Operation
from zra_async.core.pages import Page, Pages

R = TypeVar("R")
T = TypeVar("T")

CONTRACT = Path(__file__).parents[1] / "contract" / "operations.json"


def route(path: str) -> str:
    """A path without the names of its parameters, which differ between reference and rows."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def documented_examples() -> dict[tuple[str, str], Any]:
    """The documented example answer of each operation, by method and path."""
    found: dict[tuple[str, str], Any] = {}
    for operation in json.loads(CONTRACT.read_text()):
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                found[operation["method"], route(operation["path"])] = response.get("example")
    return found


EXAMPLES = documented_examples()


@dataclass
class RecordingCaller:
    """A `Caller` that keeps every request as it would go over the wire.

    It answers with what stands first in ``answers`` (JSON values, or an exception to raise), and when that is empty
    with the documented example, as the last page of its list.
    """

    answers: list[Any] = field(default_factory=list)
    requests: list[wire.Request] = field(default_factory=list)

    async def call(
        self,
        operation: Operation[R],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> R:
        self.requests.append(wire.encode(operation, path=path, query=query, body=body))
        answer = self.answers.pop(0) if self.answers else self._example(operation)
        if isinstance(answer, Exception):
            raise answer
        return wire.decode(operation, wire.Reply(200, {}, json.dumps(answer).encode()))

    def list(
        self,
        operation: ListOperation[Any, T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[T]:
        fixed = {**(query or {}), "page_size": page_size or operation.usual_page_size}

        async def fetch(token: str) -> Page[T]:
            answer = await self.call(operation, path=path, query={**fixed, "next_page_token": token or None})
            return Page(operation.items(answer), answer.next_page_token, answer)

        return Pages(operation.name, fetch, asyncio.create_task, cursor=cursor)

    @property
    def sent(self) -> wire.Request:
        """The only request so far."""
        assert len(self.requests) == 1
        return self.requests[0]

    @property
    def body(self) -> Any:
        """The JSON body of the only request."""
        assert isinstance(self.sent.body, bytes)
        return json.loads(self.sent.body)

    @staticmethod
    def _example(operation: Operation[Any]) -> Any:
        example = EXAMPLES[operation.method, route(f"/{operation.prefix}{operation.path}")]
        return {**example, "next_page_token": ""} if isinstance(operation, ListOperation) else example


@pytest.fixture
def caller() -> RecordingCaller:
    """A recording stand-in for the client."""
    return RecordingCaller()
