"""Reads query parameters and bodies, and refuses what is not as documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.times import read_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zra_async.sandbox.generated.conversation import Conversation
    from zra_async.sandbox.operations.route import Call

_DAY = 86_400
T = TypeVar("T")


def invalid(field: str) -> ApiError:
    """Refuse a parameter whose value is outside its documented range."""
    return ApiError(400, 300, "Validation Failed.", errors=[{"field": field, "message": "Invalid field."}])


def choice(call: Call, name: str, allowed: Sequence[str], default: str = "") -> str:
    """Read a parameter that has an enum; an empty text counts as not sent."""
    value = call.query.get(name) or default
    if value and value not in allowed:
        raise invalid(name)
    return value


def boolean(call: Call, name: str) -> bool | None:
    """Read a parameter that is ``true`` or ``false``; None if it is not sent."""
    value = call.query.get(name, "").lower()
    if value not in ("", "true", "false"):
        raise invalid(name)
    return value == "true" if value else None


def period(call: Call) -> tuple[int | None, int | None]:
    """Read ``from`` and ``to``, both inclusive: 400/1001 for another format or the wrong order."""
    bounds = [_bound(call.query.get(name, "")) for name in ("from", "to")]
    since, until = bounds
    if since is not None and until is not None and since > until:
        raise ApiError(400, 1001, "The from or to time is invalid.")
    return _narrowed(call, since, until)


def _narrowed(call: Call, since: int | None, until: int | None) -> tuple[int | None, int | None]:
    """Apply the options for services that cover less than what was asked for."""
    options = call.account.options
    end = int(call.account.clock.time()) if until is None else until
    if since is None and options.default_period is not None:
        since, until = end - options.default_period * _DAY, end
    if options.longest_period is not None:
        earliest = end - options.longest_period * _DAY
        if since is None or since < earliest:
            if options.refuse_longer:
                raise ApiError(400, 1001, "The from or to time is invalid.")
            since, until = earliest, end
    return since, until


def _bound(text: str) -> int | None:
    if not text:
        return None
    seconds = read_time(text)
    if seconds is None:
        raise ApiError(400, 1001, "The from or to time is invalid.")
    return seconds


def read_body(call: Call, shape: type[T], message: str) -> T:
    """Check the body of a request against its shape: 400/1001 with ``message`` if it does not fit."""
    try:
        return msgspec.convert(call.body, type=shape)
    except msgspec.ValidationError as error:
        raise ApiError(400, 1001, message, errors=[{"field": "body", "message": str(error)}]) from None


def text_field(call: Call, name: str) -> str:
    """Read one text of a JSON object: 400/300 if it is missing or no text."""
    body: Any = call.body
    value = cast("dict[str, Any]", body).get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        raise ApiError(400, 300, f"Missing field: {name}")
    return value


def conversation_of(call: Call, end: str = "") -> Conversation:
    """Find the conversation a path names: 404/1005, whose documented text ends in a full stop for some operations."""
    conversation_id = call.path["conversationId"]
    conversation = call.account.world.find(conversation_id)
    if conversation is None:
        raise ApiError(404, 1005, f"Conversation does not exist: {conversation_id}{end}")
    return conversation


def team_members(call: Call) -> set[str] | None:
    """Read ``team_id`` as the user ids of its members; None if it is not sent, 404/1005 for an unknown team."""
    team_id = call.query.get("team_id", "")
    if not team_id:
        return None
    members = call.account.teams.member_ids(team_id)
    if members is None:
        raise ApiError(404, 1005, f"Team does not exist: {team_id}")
    return set(members)
