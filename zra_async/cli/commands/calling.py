"""``zra call``: any operation of the API by its name."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import click
import msgspec

from zra_async.api.operations import Operations
from zra_async.api.registry import OPERATIONS
from zra_async.cli.arguments.values import arguments, is_list, method_of
from zra_async.cli.commands.listing import first
from zra_async.cli.exits import Exit
from zra_async.cli.failures import UsageProblem
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.streams import say
from zra_async.client import ZRAClient
from zra_async.core.operation import ListOperation, Operation
from zra_async.core.pages import Page, Pages
from zra_async.core.wire import Reply


@subcommand("call")
@click.argument("operation", metavar="OPERATION")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--all", "everything", is_flag=True, help="All pages of a list, one item a line.")
@click.option("--raw", is_flag=True, help="The body as the service sent it; status and tracking id go to stderr.")
async def command(frame: Frame, operation: str, pairs: tuple[str, ...], everything: bool, raw: bool) -> Exit | None:
    """Call an operation of the API, such as conversations.get; zra list operations names all 75.

    \b
    KEY=VALUE     a value in the form that the argument wants: a text, 5, true,
                  2025-01-31T09:00:00Z, several separated by commas
    KEY:=JSON     a value as JSON, such as participants:='[{"display_name": "Jo"}]'
    KEY=@FILE     a value from a file;  KEY:=@FILE  one as JSON or, from .jsonl, as a list of lines

    A list gives its first page, with --all the items of every page.
    """
    row = _row(operation)
    given = arguments(row, pairs)
    if everything and not is_list(row):
        raise UsageProblem(f"{row.name} is no list: leave out --all")
    if row.method != "GET":
        frame.output.sink.done = f"{row.title} is done: the same command would do it again"
    async with frame.open() as zra:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if row.prefix == "iq":
                say(f"note: {row.title} is deprecated; {row.name.removeprefix('legacy.')} replaces it")
            if raw:
                await _raw(frame, zra, row, given, everything)
            else:
                await _typed(frame, zra, row, given, everything)
    return None


def _row(name: str) -> Operation[Any]:
    row = OPERATIONS.get(name)
    if row is None:
        near = difflib.get_close_matches(name, OPERATIONS, n=2)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UsageProblem(f"no operation is called {name!r}{hint} (zra list operations names them)")
    return row


async def _typed(frame: Frame, zra: ZRAClient, row: Operation[Any], given: Mapping[str, Any], everything: bool) -> None:
    pending = method_of(zra.legacy if row.prefix == "iq" else zra, row)(**given)
    if is_list(row):
        pages = cast("Pages[Any]", pending)
        if everything:
            await frame.output.pages(first(pages, None), ())
        else:
            frame.output.one((await pages).answer)
        return
    answer = await pending
    if answer is None:
        say(f"done: {row.title}")
    elif isinstance(answer, tuple):
        things = cast("Sequence[Any]", answer)
        for thing in things:
            frame.output.one(thing)
    else:
        frame.output.one(answer)


# --------------------------------------------------------------------------- answers as they came


class RawCaller:
    """Stands in for the client below a resource: the same checks and the same requests, but undecoded replies."""

    def __init__(self, zra: ZRAClient) -> None:
        self._zra = zra
        self.replies: list[Reply] = []

    async def call(
        self,
        operation: Operation[Any],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> Any:
        """Make a call, keep its reply, and answer with what the resource would have decoded."""
        from zra_async.core import wire

        reply = await self._zra.raw(operation, path=path, query=query, body=body)
        self.replies.append(reply)
        return wire.decode(operation, reply)

    def list(
        self,
        operation: ListOperation[Any, Any],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        page_size: int | None = None,
        cursor: str = "",
    ) -> Pages[Any]:
        """Begin a list whose items are the replies themselves, one a page."""
        fixed = {**(query or {}), "page_size": page_size or operation.usual_page_size}

        async def fetch(token: str) -> Page[Reply]:
            wanted = {**fixed, "next_page_token": token or None}
            reply = await self._zra.raw(operation, path=path, query=wanted)
            return Page([reply], _next_page_token(reply), reply)

        return Pages(operation.name, fetch, _no_task, cursor=cursor)


async def _raw(frame: Frame, zra: ZRAClient, row: Operation[Any], given: Mapping[str, Any], everything: bool) -> None:
    caller = RawCaller(zra)
    pending = method_of(Operations(caller, legacy=row.prefix == "iq"), row)(**given)
    if not is_list(row):
        await pending
        _show(frame, caller.replies)
        return
    async for page in _some(cast("Pages[Reply]", pending), everything):
        _show(frame, page)


async def _some(pages: Pages[Reply], everything: bool) -> AsyncIterator[Sequence[Reply]]:
    if not everything:
        yield (await pages).items
        return
    async for page in pages.pages():
        yield page.items


def _show(frame: Frame, replies: Sequence[Reply]) -> None:
    for reply in replies:
        tracking = f", tracking id {reply.tracking_id}" if reply.tracking_id else ""
        say(f"HTTP {reply.status}{tracking}")
        if reply.body:
            frame.output.sink.data(reply.body if reply.body.endswith(b"\n") else reply.body + b"\n")


class _Token(msgspec.Struct):
    next_page_token: str | None = None


def _next_page_token(reply: Reply) -> str:
    try:
        return msgspec.json.decode(reply.body, type=_Token).next_page_token or ""
    except msgspec.MsgspecError:
        return ""


def _no_task(work: Any) -> Any:
    raise AssertionError(f"a raw list never looks ahead: {work!r}")
