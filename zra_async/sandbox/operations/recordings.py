"""Add conversations from recorded meetings of a user.

A meeting is taken from the recording link, or from the meeting UUID where there is no link.
Any meeting is accepted, except where its UUID, or the last segment of the link, begins with one of these words:

    word      answer
    fail      400/3300  Failed to add the recording, please try again.
    broken    400/5333  `3318` This is an invalid link.
    invalid   400/3318  This is an invalid link. (also for a link that is no http(s) address with ``/rec/`` in it)
    cmk       400/3320  You cannot add recording with CMK encryption.
    early     400/3314  The recording must have been made after (the day the account's history begins).
    foreign   403/3313  User ... is not the host of recording.
    denied    403/1004  no permission to operate.
    missing   404/3316  Meeting ID does not exist.

The rest follows from the account's state: 400/3319 for a meeting that is a conversation already, 400/3315 while that
one is in processing, 400/3317 for a user without a licence, 404/1005 for an unknown user.
"""

from __future__ import annotations

import base64
import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from msgspec import Struct

from zra_async.sandbox.api_error import ApiError
from zra_async.sandbox.generated.times import write_date
from zra_async.sandbox.operations.adding import DEFAULT_DURATION, enter, new_conversation
from zra_async.sandbox.operations.params import read_body
from zra_async.sandbox.operations.route import Answer, Call, route

if TYPE_CHECKING:
    from zra_async.sandbox.generated.people import User
    from zra_async.sandbox.world.world import World


class Recording(Struct):
    """The body of a meeting that is added for a user."""

    meeting_uuid: str = ""
    recording_link: str = ""


@route("POST", "/users/{userId}/conversations")
async def add_recording(call: Call) -> Answer:
    """Add a recorded meeting of a user."""
    world, user_id = call.account.world, call.path["userId"]
    user = world.user(call.user_id if user_id == "me" else user_id)
    if user is None:
        raise ApiError(404, 1005, f"User ID does not exist: {user_id}.")
    body = read_body(call, Recording, "request param is invalid")
    name = _link_name(body.recording_link) if body.recording_link else body.meeting_uuid
    if not name:
        raise ApiError(400, 300, "Missing field: meeting_uuid")
    _check_recording(call, name, user)
    meeting_uuid = _uuid_of(name) if body.recording_link else name
    _check_known(world, meeting_uuid)
    started = int(call.account.clock.time()) - DEFAULT_DURATION
    conversation = new_conversation(call.account, started, user, title="")
    conversation = conversation._replace(conversation_id=f"{meeting_uuid},{started * 1000}")
    world.meetings[meeting_uuid] = conversation.conversation_id
    enter(call.account, conversation, "ZOOM_MEETING")
    return Answer({"meeting_uuid": meeting_uuid}, status=201)


def _link_name(link: str) -> str:
    match = re.fullmatch(r"https?://[^/\s]+/(?:[^?#\s]*/)?rec/(?:[^?#\s]*/)?([^/?#\s]+)/?(?:[?#].*)?", link)
    if match is None:
        raise ApiError(400, 3318, "This is an invalid link.")
    return match[1]


def _uuid_of(name: str) -> str:
    return base64.b64encode(blake2b(name.encode(), digest_size=16).digest()).decode()


def _check_recording(call: Call, name: str, user: User) -> None:
    if not user.licensed:
        raise ApiError(400, 3317, "User has no IQ license.")
    begin = write_date(call.account.world.population.history.begin)
    refusals = {
        "fail": (400, 3300, "Failed to add the recording, please try again."),
        "broken": (400, 5333, "`3318` This is an invalid link."),
        "invalid": (400, 3318, "This is an invalid link."),
        "cmk": (400, 3320, "You cannot add recording with CMK encryption."),
        "early": (400, 3314, f"The recording must have been made after {begin}."),
        "foreign": (403, 3313, f"User {user.user_id} is not the host of recording."),
        "denied": (403, 1004, "no permission to operate."),
        "missing": (404, 3316, "Meeting ID does not exist."),
    }
    for word, refusal in refusals.items():
        if name.startswith(word):
            raise ApiError(*refusal)


def _check_known(world: World, meeting_uuid: str) -> None:
    known = world.meeting(meeting_uuid)
    if known is None:
        return
    if world.processing(known):
        raise ApiError(400, 3315, "This recording is already under processing analysis.")
    raise ApiError(400, 3319, "This recording is already added.")
