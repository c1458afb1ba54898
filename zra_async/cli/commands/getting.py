"""``zra get``: single things, by their ids."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import anyio
import click

from zra_async import errors
from zra_async.api.registry import OPERATIONS
from zra_async.cli.arguments.ids import given_ids
from zra_async.cli.arguments.values import method_of, parameters_of
from zra_async.cli.commands.resources import Single, single
from zra_async.cli.exits import Exit
from zra_async.cli.failures import UsageProblem
from zra_async.cli.frame import Frame, subcommand
from zra_async.cli.output.streams import say

AT_ONCE = 16  #: calls on their way; the rate limits decide how fast they go


@subcommand("get")
@click.argument("resource", metavar="RESOURCE")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--analysis-type", default="all", show_default=True, help="Which findings, for the analysis.")
async def command(frame: Frame, resource: str, ids: tuple[str, ...], analysis_type: str) -> Exit | None:
    """Print single things by their ids; "-" reads ids from stdin.

    On stdin there is one id a line, or JSON as zra list prints it, or CSV whose header names the id.

    \b
    RESOURCE is one of
      conversation, interactions, analysis CONVERSATION_ID...
      deal DEAL_ID...    team TEAM_ID...    crm-task TASK_ID...
      crm-account, crm-contact, crm-deal, crm-lead CRM_ID...
      crm-registration

    interactions and analysis are put together from all their pages. What is not found is told on stderr, the rest is
    printed, and the exit code is 3.
    """
    row = single(resource)
    wanted = _wanted(row, ids)
    extra = {"analysis_type": analysis_type} if row.operation == "conversations.content_analysis" else {}
    async with frame.open() as zra:
        read = functools.partial(method_of(zra, row.method or row.operation), **extra)
        if not row.identified:
            frame.output.one(await read())
            return Exit.OK
        if row.together:
            return await _together(frame, read, wanted)
        return await _each(frame, read, wanted)


def _wanted(row: Single, words: Sequence[str]) -> list[str]:
    if row.identified:
        return given_ids(words, _field(row))
    if words:
        raise UsageProblem("there is only one of it: it takes no id")
    return []


def _field(row: Single) -> str:
    """The field of a record that holds the id."""
    if row.together:  # crm.accounts.get takes many
        return f"crm_{row.operation.split('.')[1].removesuffix('s')}_id"
    return next(name for name, parameter in parameters_of(OPERATIONS[row.operation]).items() if parameter.required)


async def _together(frame: Frame, read: Callable[..., Awaitable[Any]], ids: Sequence[str]) -> Exit:
    """Read several things with few calls."""
    found: Sequence[Any] = await read(ids)
    for thing in found:
        frame.output.one(thing)
    missing = len(ids) - len(found)
    if missing > 0:
        say(f"not found: {missing} of {len(ids)}")
    return Exit.PARTIAL if missing > 0 else Exit.OK


async def _each(frame: Frame, read: Callable[..., Awaitable[Any]], ids: Sequence[str]) -> Exit:
    """Read several things, some at once, and print them in the order of their ids."""
    failed = 0
    async for name, answer in _answers(read, ids):
        if isinstance(answer, errors.CallError):
            if len(ids) == 1 or not isinstance(answer, errors.NotFound | errors.PermissionDenied):
                raise answer
            failed += 1
            say(f"{name}: {answer}")
        else:
            frame.output.one(answer)
    return Exit.PARTIAL if failed else Exit.OK


async def _answers(read: Callable[..., Awaitable[Any]], ids: Sequence[str]) -> AsyncIterator[tuple[str, Any]]:
    for start in range(0, len(ids), AT_ONCE):
        chunk = ids[start : start + AT_ONCE]
        answers: dict[str, Any] = {}

        async def one(name: str, answers: dict[str, Any] = answers) -> None:
            try:
                answers[name] = await read(name)
            except errors.CallError as error:
                answers[name] = error

        async with anyio.create_task_group() as group:
            for name in chunk:
                group.start_soon(one, name)
        for name in chunk:
            yield name, answers[name]
