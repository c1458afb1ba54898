"""The streams of an export: what each holds, and what it costs in calls. This table is the whole choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from zra_async.api import indicators, meetings, playlists
from zra_async.api.conversations import comments, content
from zra_async.api.conversations import operations as conversations
from zra_async.api.deals import operations as deals
from zra_async.api.teams import operations as teams
from zra_async.api.teams import people as team_people
from zra_async.bulk.export.rows import account as account_rows
from zra_async.bulk.export.rows import conversations as rows
from zra_async.core.operation import Label, Operation
from zra_async.errors import InvalidArgument
from zra_async.results.exports import UnitKind


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """One stream: its lines are of the type `row` and come from units of one kind, such as a conversation.

    `lists` are the operations that find the units (one call a page), `reads` those that are called for every unit (one
    call, or one a page where there is much). Streams that read the same operation share the call. `key` are the columns
    that name the unit in a line.
    """

    name: str
    unit: UnitKind
    row: type[msgspec.Struct]
    summary: str
    key: tuple[str, ...]
    lists: tuple[Operation[Any], ...]
    reads: tuple[Operation[Any], ...] = ()
    default: bool = False

    @property
    def cost(self) -> str:
        """The cost of the stream in words; a call shared with other streams is made once."""
        pages = " and ".join(f"1 {o.label.value} per page of {o.title}" for o in self.lists)
        each = "".join(f", 1 {o.label.value} per {self.unit} ({o.title})" for o in self.reads)
        return pages + each


_CONVERSATIONS = (conversations.LIST,)
_TEAMS = (teams.LIST,)
#: every download asks for a link of its own, since the one that came with the detail may have expired in the queue
_DOWNLOAD_LINK = msgspec.structs.replace(conversations.GET, name="conversations.download_recording")


def _of_conversation(
    name: str,
    row: type[msgspec.Struct],
    summary: str,
    *reads: Operation[Any],
    default: bool = False,
) -> StreamSpec:
    # the detail is always read: it tells a conversation that is gone from one that merely lacks something
    return StreamSpec(
        name=name,
        unit="conversation",
        row=row,
        summary=summary,
        key=("conversation_id",),
        lists=_CONVERSATIONS,
        reads=(conversations.GET, *reads),
        default=default,
    )


_ALL = (
    _of_conversation("conversations", rows.ConversationRow, "each conversation, list and detail merged", default=True),
    _of_conversation(
        "participants",
        rows.ParticipantRow,
        "who took part, and how they spoke",
        content.INTERACTIONS,
        default=True,
    ),
    _of_conversation(
        "transcripts", rows.TranscriptRow, "every utterance, in order", content.INTERACTIONS, default=True
    ),
    _of_conversation("topics", rows.FindingRow, "topics that were talked about", content.CONTENT_ANALYSIS),
    _of_conversation("next_steps", rows.FindingRow, "next steps that were agreed on", content.CONTENT_ANALYSIS),
    _of_conversation("questions", rows.FindingRow, "engaging questions and replies", content.CONTENT_ANALYSIS),
    _of_conversation(
        "indicator_mentions", rows.FindingRow, "where an indicator was mentioned", content.CONTENT_ANALYSIS
    ),
    _of_conversation("chapters", rows.ChapterRow, "smart chapters", content.CONTENT_ANALYSIS),
    _of_conversation("deal_memos", rows.DealMemoRow, "what speaks for and against the deal", content.CONTENT_ANALYSIS),
    _of_conversation("playbooks", rows.PlaybookRow, "playbook elements and their answers", content.CONTENT_ANALYSIS),
    _of_conversation("scorecards", rows.ScorecardRow, "ratings by coaches", content.SCORECARDS),
    _of_conversation("scorecard_questions", rows.ScorecardQuestionRow, "their single questions", content.SCORECARDS),
    _of_conversation("comments", rows.CommentRow, "comments of colleagues", comments.LIST),
    _of_conversation(
        "recordings", rows.RecordingRow, "recordings as files, only when asked for by name", _DOWNLOAD_LINK
    ),
    StreamSpec(
        name="deals",
        unit="deal",
        row=account_rows.DealRow,
        summary="each deal, list and detail merged",
        key=("deal_id",),
        lists=(deals.LIST,),
        reads=(deals.GET,),
        default=True,
    ),
    StreamSpec(
        name="deal_activities",
        unit="deal",
        row=account_rows.DealActivityRow,
        summary="conversations and messages of each deal",
        key=("deal_id",),
        lists=(deals.LIST,),
        reads=(deals.GET, deals.ACTIVITIES),
    ),
    StreamSpec(
        name="teams",
        unit="team",
        row=account_rows.TeamRow,
        summary="each team and its place in the hierarchy",
        key=("team_id",),
        lists=_TEAMS,
    ),
    StreamSpec(
        name="team_members",
        unit="team",
        row=account_rows.TeamUserRow,
        summary="who belongs to which team",
        key=("team_id",),
        lists=_TEAMS,
        reads=(team_people.LIST_MEMBERS,),
    ),
    StreamSpec(
        name="team_managers",
        unit="team",
        row=account_rows.TeamUserRow,
        summary="who manages which team",
        key=("team_id",),
        lists=_TEAMS,
        reads=(team_people.LIST_MANAGERS,),
    ),
    StreamSpec(
        name="playlists",
        unit="user",
        row=account_rows.PlaylistRow,
        summary="the playlists of every user that the other streams or the teams name",
        key=("user_id",),
        lists=(teams.LIST, team_people.LIST_MEMBERS, team_people.LIST_MANAGERS, teams.UNASSIGNED_USERS),
        reads=(playlists.LIST,),
    ),
    StreamSpec(
        name="indicators",
        unit="indicator",
        row=account_rows.IndicatorRow,
        summary="the account's indicator settings",
        key=("id",),
        lists=(indicators.LIST,),
    ),
    StreamSpec(
        name="scheduled_meetings",
        unit="meeting",
        row=account_rows.MeetingRow,
        summary="meetings that are scheduled",
        key=("event_id", "user_id", "start_time"),
        lists=(meetings.LIST,),
    ),
)

#: every stream by its name
STREAMS: Mapping[str, StreamSpec] = {spec.name: spec for spec in _ALL}
#: what an export writes when it is not told
DEFAULT_STREAMS: tuple[str, ...] = tuple(spec.name for spec in _ALL if spec.default)
#: what ``streams="all"`` stands for: everything but the recordings, which are files
ALL_STREAMS: tuple[str, ...] = tuple(spec.name for spec in _ALL if spec.name != "recordings")


def select(streams: str | Iterable[str] | None) -> tuple[StreamSpec, ...]:
    """Find streams by name, in the order of the table: None is the default set, ``"all"`` all but the recordings.

    A text may hold several names, separated by commas; ``"all,recordings"`` is really everything. Raises
    `InvalidArgument` for an unknown name.
    """
    if streams is None:
        names: Iterable[str] = DEFAULT_STREAMS
    else:
        names = streams.split(",") if isinstance(streams, str) else streams
    wanted: set[str] = set()
    for name in (name.strip() for name in names):
        if name == "all":
            wanted.update(ALL_STREAMS)
        elif name in STREAMS:
            wanted.add(name)
        else:
            raise InvalidArgument(f"no stream is called {name!r}: choose from {', '.join(STREAMS)}, or all")
    if not wanted:
        raise InvalidArgument("streams must not be empty")
    return tuple(spec for spec in _ALL if spec.name in wanted)


def calls_per_unit(specs: Iterable[StreamSpec]) -> Mapping[UnitKind, Mapping[Label, int]]:
    """Return the minimum number of calls of each label for one unit, when these streams are read together."""
    reads: dict[UnitKind, dict[str, Label]] = {}
    for spec in specs:
        reads.setdefault(spec.unit, {}).update({operation.name: operation.label for operation in spec.reads})
    return {unit: Counter(operations.values()) for unit, operations in reads.items()}
