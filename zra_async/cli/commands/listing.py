"""``zra list``: the items of a list, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import click

from zra_async.api.registry import OPERATIONS
from zra_async.cli.arguments.values import arguments, is_list, method_of, parameters_of
from zra_async.cli.commands.resources import listed
from zra_async.cli.exits import Exit
from zra_async.cli.failures import UsageProblem
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.data import in_one_page
from zra_async.core.operation import Operation
from zra_async.core.pages import Pages


@subcommand("list")
@click.argument("resource", metavar="RESOURCE")
@click.argument("words", nargs=-1, metavar="[ID] [KEY=VALUE]...")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after so many items.")
async def command(frame: Frame, resource: str, words: tuple[str, ...], limit: int | None) -> Exit:
    """Print the items of a list.

    \b
    RESOURCE is one of
      conversations, deals, teams, indicators, meetings, unassigned-users
      comments, speakers, scorecards CONVERSATION_ID
      analysis CONVERSATION_ID analysis_type=all
      activities DEAL_ID, members TEAM_ID, managers TEAM_ID, playlists USER_ID
      operations: what zra call can call, and streams: what zra export can export

    Filters are those of the API, such as from=2025-01-01 to=2025-02-01 or conversation_type=phone. Every page is
    read, as fast as the account's rate limits allow.
    """
    if resource in {"operations", "operation"}:
        await frame.output.pages(in_one_page(map(_described, OPERATIONS.values())), ("name", "title", "label", "takes"))
        return Exit.OK
    if resource in {"streams", "stream"}:
        from zra_async.cli.commands.export import described  # brings the whole of bulk along

        await frame.output.pages(in_one_page(described()), ("stream", "default", "holds", "costs"))
        return Exit.OK
    row = listed(resource)
    operation = OPERATIONS[row.operation]
    given = _given(operation, resource, words)
    async with frame.open() as zra:
        pages: Pages[Any] = method_of(zra, operation)(**given)
        await frame.output.pages(first(pages, limit), row.columns)
    return Exit.OK


async def first(pages: Pages[Any], limit: int | None) -> AsyncIterator[Sequence[Any]]:
    """The pages of a list up to its ``limit``-th item; the next page is fetched while one is written."""
    left = limit
    if left is None:
        pages.look_ahead()
    try:
        async for page in pages.pages():
            yield page.items if left is None else page.items[:left]
            if left is not None:
                left -= len(page.items)
                if left <= 0:
                    return
    finally:
        await pages.aclose()


def _given(operation: Operation[Any], resource: str, words: Sequence[str]) -> dict[str, Any]:
    """The arguments of a list: an id where it needs one, then filters.

    An id may hold a ``=``, so the first words are ids if the method has arguments without a default.
    """
    needed = [name for name, parameter in parameters_of(operation).items() if parameter.required and name[-3:] == "_id"]
    if len(words) < len(needed):
        raise UsageProblem(f"give the {needed[len(words)]}: zra list {resource} {' '.join(map(str.upper, needed))}")
    ids = {name: word.removeprefix(f"{name}=") for name, word in zip(needed, words, strict=False)}
    default = {"analysis_type": "all"} if "analysis_type" in parameters_of(operation) else {}
    pairs = words[len(needed) :]
    if any(pair.startswith("analysis_type=") for pair in pairs):
        default = {}
    return arguments(operation, pairs, {**ids, **default})


def _described(operation: Operation[Any]) -> dict[str, Any]:
    takes = [name.rstrip("_") + ("" if p.required else "?") for name, p in parameters_of(operation).items()]
    return {
        "name": operation.name,
        "title": operation.title,
        "label": operation.label.value,
        "takes": takes,
        "pages": is_list(operation),
        "scopes": operation.scopes,
        "granular_scopes": operation.granular_scopes,
    }
