"""A user's program: what type checkers see of the installed package, and what happens when it runs on the sandbox."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never, assert_type

import zra_async
from zra_async import (
    OPERATIONS,
    CallDone,
    Hosts,
    Operation,
    Page,
    Pages,
    RateLimiter,
    RetryPolicy,
    ServerToServer,
    ZRAClient,
    errors,
)
from zra_async.api.deals.operations import GET as GET_DEAL
from zra_async.api.deals.operations import LIST as LIST_DEALS
from zra_async.bulk import ExportReport
from zra_async.files import UploadedFile
from zra_async.models import Conversation, ConversationDetail, DealDetail, Speaker, TeamDetail
from zra_async.sandbox import Sandbox
from zra_async.webhooks import (
    ConversationAnalysisCompletedEvent,
    ConversationCrmAssociationsChangedEvent,
    PlaylistAddMomentEvent,
    PlaylistCreateEvent,
    PlaylistDeleteEvent,
    PlaylistRemoveMomentEvent,
    PostCommentCompletedEvent,
    UnknownEvent,
    UrlValidation,
    WebhookEvent,
)


async def main() -> None:
    """Use one of everything."""
    async with Sandbox(conversations=12) as account:
        auth = ServerToServer(account.account_id, account.client_id, account.client_secret)
        hosts = Hosts(api=account.api_url, file=account.file_url, token=account.token_url)
        async with ZRAClient(auth, hosts=hosts, timeout=300, deadline=None) as zra:
            await reads(zra)
            assert webhook(UrlValidation(answer={"plainToken": "a", "encryptedToken": "b"})) == "a"
            await refusals(zra)
            with tempfile.TemporaryDirectory() as folder:
                await transfers(zra, Path(folder))


async def reads(zra: ZRAClient) -> None:
    """Lists, single records, and calls by row and by name."""
    pages = assert_type(zra.conversations.list(page_size=5), Pages[Conversation])
    first = assert_type(await pages, Page[Conversation])
    seen = [assert_type(conversation, Conversation).conversation_id async for conversation in pages]
    assert len(first.items) == 5
    assert len(seen) == 12
    detail = assert_type(await zra.conversations.get(seen[0]), ConversationDetail)
    assert detail.conversation_id == seen[0]
    assert_type(await zra.conversations.download_link(seen[0]), str | None)
    async for speaker in zra.conversations.interactions(seen[0]):
        assert_type(speaker, Speaker)
    async for deal in zra.deals.list():
        assert_type(await zra.deals.get(deal.deal_id), DealDetail)
        break
    async for team in zra.teams.list():
        assert_type(await zra.teams.get(team.team_id), TeamDetail)
        break
    assert_type(OPERATIONS, Mapping[str, Operation[Any]])
    async for deal in zra.list(LIST_DEALS, page_size=1):
        found = assert_type(await zra.call(GET_DEAL, path={"deal_id": deal.deal_id}), DealDetail)
        named = assert_type(await zra.call_named("deals.get", deal_id=deal.deal_id), Any)
        assert found == named
        break
    with zra_async.collect_calls() as calls:
        await zra.with_options(retry=RetryPolicy.none()).deals.list()
    assert assert_type(calls, list[CallDone])[0].tracking_id
    reply = await zra.raw("conversations.get", path={"conversation_id": seen[0]})
    assert assert_type(reply.status, int) == 200
    assert assert_type(zra.limits, RateLimiter).snapshot()


async def refusals(zra: ZRAClient) -> None:
    """Errors with typed facts."""
    try:
        await zra.deals.get("no such deal")
    except errors.NotFound as error:
        assert assert_type(error.code, int | None) is not None
        assert_type(error.tracking_id, str)
    else:
        raise AssertionError("a deal that is not there was found")


def webhook(event: WebhookEvent | UrlValidation) -> str:
    """Each event has a type, and a match statement that names all of them is complete."""
    match event:
        case ConversationAnalysisCompletedEvent() | PostCommentCompletedEvent():
            return assert_type(event.conversation_id, str)
        case ConversationCrmAssociationsChangedEvent():
            return assert_type(event.changes[0].conversation_id, str)
        case PlaylistCreateEvent() | PlaylistDeleteEvent() | PlaylistAddMomentEvent() | PlaylistRemoveMomentEvent():
            return assert_type(event.playlist_id, str)
        case UnknownEvent():
            return assert_type(event.name, str)
        case UrlValidation():
            return assert_type(event.answer, dict[str, str])["plainToken"]
        case _:
            assert_never(event)


async def transfers(zra: ZRAClient, folder: Path) -> None:
    """A file on its way in, and the account on its way out."""
    uploaded = assert_type(await zra.files.upload(bytes(4096), file_name="call.mp4"), UploadedFile)
    assert uploaded.file_id
    report = assert_type(await zra.export(folder, streams="conversations"), ExportReport)
    assert not report.partial


if __name__ == "__main__":
    asyncio.run(main())
    print(zra_async.__file__)
