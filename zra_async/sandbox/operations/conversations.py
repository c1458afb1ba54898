"""List, read, delete conversations and give them to another host.

The list is ordered by start time, newest first, whatever ``period_type`` says; ``from`` and ``to`` are inclusive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.conversation import takes_part
from zra_async.sandbox.generated.population import ALL_TIME
from zra_async.sandbox.generated.times import write_time
from zra_async.sandbox.operations.params import boolean, choice, conversation_of, period, team_members, text_field
from zra_async.sandbox.operations.route import Answer, Call, route
from zra_async.sandbox.operations.scan import scan
from zra_async.sandbox.records import conversations as records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.generated.people import User


@route("GET", "/conversations")
async def list_conversations(call: Call) -> Answer:
    """Answer one page of the account's conversations."""
    world, window = call.account.world, call.account.pages.window(call)
    since, until = period(call)
    tests = _tests(call) + _period_tests(call, since, until)
    found = scan(
        _candidates(call, since, until, window.position or ALL_TIME),
        window.size,
        lambda conversation: all(test(conversation) for test in tests),
        lambda conversation: conversation.order + 1,
    )
    body: dict[str, Any] = {
        "page_size": window.size,
        "next_page_token": call.account.pages.token(call, found.next_position or 0, more=bool(found.next_position)),
        "conversations": [records.row(world, conversation, legacy=call.legacy) for conversation in found.records],
    }
    return Answer(body if call.legacy else body | bounds(call, since, until))


def bounds(call: Call, since: int | None, until: int | None) -> dict[str, str]:
    """Tell the period a list covers: what was asked for, or the account's whole history."""
    if not call.account.options.echo_period:
        return {}
    begin = call.account.world.population.history.begin
    now = call.account.clock.time()
    return {
        "from": write_time(begin if since is None else since),
        "to": write_time(now if until is None else until),
    }


def _candidates(call: Call, since: int | None, until: int | None, high: int) -> Iterable[Conversation]:
    """Give as few conversations as the indexes allow; the tests decide."""
    world = call.account.world
    if deal_id := call.query.get("deal_id"):
        deal = world.pipeline.find(deal_id)
        if deal is None:
            raise ApiError(404, 1005, f"Deal does not exist: {deal_id}")
        return [conversation for conversation in world.conversations_of(deal) if conversation.order < high]
    low, top = (since or 0) << 64, ALL_TIME if until is None else (until + 1) << 64
    if call.query.get("period_type") == "iqProcessedTime":  # a generated one is processed within LONGEST of its start
        return world.newest_first(0, high, generated=(world.lowest_analysed_since(low), top))
    return world.newest_first(low, min(high, top))


def _period_tests(call: Call, since: int | None, until: int | None) -> list[Callable[[Conversation], bool]]:
    low, high = since or 0, float("inf") if until is None else until
    if choice(call, "period_type", ("meetingStartTime", "iqProcessedTime")) != "iqProcessedTime":
        return [lambda conversation: low <= conversation.start <= high]
    if since is None and until is None:
        return []
    processing = call.account.world.processing
    return [lambda conversation: low <= conversation.processed <= high and not processing(conversation)]


def _tests(call: Call) -> list[Callable[[Conversation], bool]]:
    """Turn the filters of a call into tests, the cheapest first."""
    tests: list[Callable[[Conversation], bool]] = []
    kind = choice(call, "conversation_type", ("all", "meeting", "phone"), "all")
    if kind != "all":
        tests.append(lambda conversation: conversation.kind == kind)
    if host := _user(call, "host_id"):
        tests.append(lambda conversation: conversation.host is host)
    if (members := team_members(call)) is not None:
        tests.append(lambda conversation: conversation.host.user_id in members)
    if participant := _user(call, "participant_id"):
        users = call.account.world.users
        tests.append(lambda conversation: takes_part(conversation, participant, users))
    if (scored := boolean(call, "scored")) is not None:
        tests.append(lambda conversation: bool(conversation.scorecards) is scored)
    return tests + finding_tests(call)


def finding_tests(call: Call) -> list[Callable[[Conversation], bool]]:
    """Turn the filters for what the analysis found into tests; nothing is found while it is under way."""
    catalogue, processing = call.account.world.catalogue, call.account.world.processing
    tests: list[Callable[[Conversation], bool]] = []
    callout = choice(call, "callout_type", ("engagingQuestions", "nextSteps"))
    if callout == "engagingQuestions":
        tests.append(lambda conversation: conversation.questions > 0)
    elif callout:
        tests.append(lambda conversation: conversation.next_steps > 0)
    if indicator_id := call.query.get("indicator_id"):
        indicator = sum(1 << n for n, known in enumerate(catalogue.indicators) if known.indicator_id == indicator_id)
        tests.append(lambda conversation: bool(conversation.indicators & indicator))
    if topic_id := call.query.get("mentioned_topic_id"):  # no operation tells the ids of topics, so a label will do
        topic = sum(1 << n for n, known in enumerate(catalogue.topics) if topic_id in (known.topic_id, known.label))
        tests.append(lambda conversation: bool(conversation.topics & topic))
    return [*tests, lambda conversation: not processing(conversation)] if tests else []


def _user(call: Call, name: str) -> User | None:
    user_id = call.query.get(name)
    if not user_id:
        return None
    user = call.account.world.user(user_id)
    if user is None:
        raise ApiError(404, 1005, f"Host or participant user does not exist: {user_id}")
    return user


@route("GET", "/conversations/{conversationId}")
async def get_conversation(call: Call) -> Answer:
    """Answer everything about one conversation."""
    conversation = conversation_of(call, ".")
    link = call.account.files.download_link(conversation.conversation_id) if has_recording(conversation) else ""
    return Answer(records.detail(call.account.world, conversation, download_link=link, legacy=call.legacy))


def has_recording(conversation: Conversation) -> bool:
    """Tell whether a recording can be downloaded: of added ones, of all meetings and of half the phone calls."""
    return conversation.number < 0 or conversation.kind == "meeting" or conversation.key % 2 == 0


@route("DELETE", "/conversations/{conversationId}")
async def delete_conversation(call: Call) -> Answer:
    """Delete a conversation, though not while it is in processing."""
    conversation = conversation_of(call)
    demand_analysed(call, conversation)
    call.account.world.delete(conversation)
    return Answer(status=204)


def demand_analysed(call: Call, conversation: Conversation) -> None:
    """Refuse with 403/5004 while a conversation is in processing."""
    if call.account.world.processing(conversation):
        message = "This conversation will be available after the processing analysis is completed"
        raise ApiError(403, 5004, message)


@route("PATCH", "/conversations/{conversationId}/update_host")
async def update_host(call: Call) -> Answer:
    """Give a conversation to another licensed user, named by id or e-mail address."""
    world, conversation_id = call.account.world, call.path["conversationId"]
    conversation = world.find(conversation_id)
    if conversation is None:
        raise ApiError(404, 2001, f"Conversation does not exist: {conversation_id}.")
    host = world.user(text_field(call, "new_host_id"))
    if host is None:
        raise ApiError(404, 1005, "User does not exist.")
    if not host.licensed:
        raise ApiError(400, 1006, "User has no IQ license.")
    world.change_host(conversation, host)
    return Answer(status=204)
