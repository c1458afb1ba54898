"""The resources of ``zra list`` and ``zra get``: the operation of each, and the columns of its table."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from zra_async.cli.failures import UsageProblem


@dataclass(frozen=True, slots=True)
class ListedResource:
    """A list. `columns` are those of its table; without any, all fields that are filled."""

    operation: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Single:
    """A thing with an id, or one of which there is only one (`identified` False).

    `method` is the method to call where it is not the operation's own, as for answers that are put together from
    several pages. `together`: one call takes many ids.
    """

    operation: str
    method: str = ""
    identified: bool = True
    together: bool = False


_PEOPLE = ("user_id", "email", "first_name", "last_name")

LISTS: Mapping[str, ListedResource] = {
    "conversations": ListedResource(
        "conversations.list",
        ("conversation_id", "meeting_start_time", "conversation_topic", "duration", "engagement_score", "host_id"),
    ),
    "comments": ListedResource("comments.list", ("id", "created_time", "user_name", "comment")),
    "speakers": ListedResource(
        "conversations.interactions", ("display_name", "speaker_type", "email", "user_id", "transcripts")
    ),
    "analysis": ListedResource("conversations.content_analysis"),
    "scorecards": ListedResource("conversations.scorecards"),
    "playlists": ListedResource(
        "playlists.list", ("playlist_id", "playlist_name", "type", "number_of_conversations", "created_by")
    ),
    "deals": ListedResource(
        "deals.list", ("deal_id", "deal_name", "deal_stage", "deal_amount", "currency_type", "owner_name", "close_date")
    ),
    "activities": ListedResource(
        "deals.activities", ("start_date", "activity_type", "conversation_topic", "conversation_id", "deal_stage")
    ),
    "indicators": ListedResource("indicators.list", ("id", "name", "type", "category_name", "mentioned_by", "enabled")),
    "meetings": ListedResource(
        "meetings.list", ("event_id", "start_time", "topic", "meeting_platform", "host_id", "external")
    ),
    "teams": ListedResource("teams.list", ("team_id", "name", "type", "member_size", "supervisor_size", "leaf")),
    "members": ListedResource("teams.members.list", _PEOPLE),
    "managers": ListedResource("teams.managers.list", _PEOPLE),
    "unassigned-users": ListedResource("teams.unassigned_users", _PEOPLE),
}

SINGLES: Mapping[str, Single] = {
    "conversation": Single("conversations.get"),
    "interactions": Single("conversations.interactions", method="conversations.merged_interactions"),
    "analysis": Single("conversations.content_analysis", method="conversations.merged_content_analysis"),
    "deal": Single("deals.get"),
    "team": Single("teams.get"),
    "crm-account": Single("crm.accounts.get", together=True),
    "crm-contact": Single("crm.contacts.get", together=True),
    "crm-deal": Single("crm.deals.get", together=True),
    "crm-lead": Single("crm.leads.get", together=True),
    "crm-registration": Single("crm.registration", identified=False),
    "crm-task": Single("crm.task"),
}


def listed(name: str) -> ListedResource:
    """The list of that name, in the plural or the singular. Raises `UsageProblem`."""
    found = LISTS.get(name) or LISTS.get(f"{name}s")
    if found is None:
        raise UsageProblem(_unknown("list", name, LISTS))
    return found


def single(name: str) -> Single:
    """The thing of that name, in the singular or the plural. Raises `UsageProblem`."""
    found = SINGLES.get(name) or SINGLES.get(name.removesuffix("s"))
    if found is None:
        raise UsageProblem(_unknown("get", name, SINGLES))
    return found


def _unknown(command: str, name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"zra {command} knows no {name!r}{hint} (it knows {', '.join(known)})"
